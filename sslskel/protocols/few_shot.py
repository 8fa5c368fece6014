"""The few-shot protocol: held-out classes are recognised from a handful of labelled clips of each, several times.

Nothing is trained: a clip belongs to the class whose mean feature is nearest by cosine
(prototypes, Snell et al., NeurIPS 2017).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from sslskel.api.devices import longest_float
from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.api.protocol import ClipSet, EvaluationProtocol, Outcome, Parts, ProtocolRun, Truth
from sslskel.config.groups import require
from sslskel.errors import DataError, UsageError
from sslskel.evaluation.features import clip_features, evaluating, labelled
from sslskel.evaluation.metrics import aligned, class_scores, of_scored_classes
from sslskel.evaluation.neighbours import joined
from sslskel.evaluation.subsets import shuffled, subsets_digest
from sslskel.hashing import stable_id
from sslskel.results.statistics import summarise


@dataclass
class FewShotConfig:
    """One, two and five labelled clips of each held-out class, as in STARS."""

    shots: list[int] = field(default_factory=lambda: [1, 2, 5])
    """Labelled clips per class; each count is a condition, and the first one ranks."""
    share: float = 0.5
    """Of the classes, how many are held out in a draw; at least 2."""
    classes: list[int] = field(default_factory=list)
    """Numbers of the held-out classes where they are not to be drawn, such as those that NTU-120 adds to NTU-60."""
    draws: int = 10
    """Sets of held-out classes and of their labelled clips; the score is the mean over them."""
    subset_seed: int = 0
    """Of classes and clips, apart from the run's seed: all methods and seeds are judged on the same ones."""
    level: str = ""
    """Which of the encoder's levels is read, for instance ``joints``; empty for its feature."""
    encode_batch: int = 128
    """Clips that an encoder sees at a time; a matter of memory and speed only."""

    def __post_init__(self) -> None:
        require(bool(self.shots), "protocol.shots is empty; give a number of clips, for instance protocol.shots=[1,5]")
        for count in self.shots:
            require(count >= 1, f"protocol.shots has {count}; a class needs at least 1 labelled clip")
        require(len(set(self.shots)) == len(self.shots), f"protocol.shots names a count twice: {self.shots}")
        require(0 < self.share <= 1, f"protocol.share is {self.share}; it must be in (0, 1]")
        require(len(self.classes) != 1, f"protocol.classes is {self.classes}; one class leaves nothing to classify")
        for name in ("draws", "encode_batch"):
            require(getattr(self, name) >= 1, f"protocol.{name} is {getattr(self, name)}; it must be at least 1")
        require(self.subset_seed >= 0, f"protocol.subset_seed is {self.subset_seed}; it must not be negative")


class Support(NamedTuple):
    """What one draw may learn from."""

    classes: Tensor
    """(k,) numbers of the held-out classes, ascending."""
    rows: Tensor
    """(k, most shots) places of their labelled clips among those of the training part."""


class FewShot(EvaluationProtocol[FewShotConfig]):
    """Every test clip gets a held-out class for each count and draw; those of other classes are not scored.

    Labels of held-out classes are used for the few clips alone, and labels of the others for
    nothing. Pretraining on the same benchmark saw their clips without labels; pretraining on
    another one (``--pretrain-on``) did not. Smaller counts of a draw are part of larger ones.
    Several streams are compared by the mean of their cosines.
    """

    Config = FewShotConfig
    version = 2
    check_config: ClassVar[Mapping[str, Any]] = {"draws": 3}

    def check(self, parts: Parts) -> None:
        """Refuse more shots than a held-out class has clips, and classes that are not there."""
        self._supports(parts)

    def evaluate(self, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> Outcome:
        """Predicted classes (R,), R being counts x draws x test clips.

        Raises ``DataError`` where a held-out class has fewer clips than shots, ``UsageError``
        for a class that the benchmark does not have.
        """
        config = self.config
        gallery, supports = self._supports(parts)
        noise, size = Noise(stable_id("few_shot", str(run.seed))), config.encode_batch
        with evaluating(encoders):
            known = joined(clip_features(encoders, gallery, "test", noise, size, run, "encode training part"))
            asked = joined(clip_features(encoders, parts.test, "test", noise, size, run, "encode test"))
        predicted = [
            draw.classes[nearest_mean(asked, known[draw.rows[:, :count].to(known.device)]).cpu()]
            for count in config.shots
            for draw in supports
        ]
        rounds, clips = len(config.shots) * config.draws, len(parts.test)
        info: dict[str, Any] = {
            "recipe": f"nearest class mean, cosine, {'/'.join(map(str, config.shots))} shots",
            "selection": "none",
            "labels": max(config.shots) * len(supports[0].classes),
            "classes": [draw.classes.tolist() for draw in supports],
            "subset_seed": config.subset_seed,
            "subset_sha256": subsets_digest(gallery.keys, [draw.rows.flatten() for draw in supports]),
        }
        return Outcome(
            np.tile(parts.test.keys.cpu().numpy(), rounds),
            {"predicted": torch.cat(predicted).numpy()},
            condition=np.repeat([f"{count}-shot" for count in config.shots], config.draws * clips),
            draw=np.tile(np.repeat(np.arange(config.draws), clips), len(config.shots)),
            info=info,
            kept={"support_keys": gallery.keys[torch.stack([draw.rows for draw in supports])].cpu().numpy()},
        )

    def score(self, outcome: Outcome, truth: Truth) -> dict[str, float]:
        """``shot_K`` for each count: the mean over draws of the accuracy on held-out classes.

        ``shot_K_sd`` is its standard deviation over draws; ``draws`` counts these. ``top1`` and
        ``macro`` are those of the count that was asked for first.
        """
        assert outcome.condition is not None
        assert outcome.draw is not None
        scores: dict[str, float] = {"draws": float(len(np.unique(outcome.draw)))}
        for condition in dict.fromkeys(outcome.condition.tolist()):
            by_draw = [
                self._of_draw(outcome, truth, (outcome.condition == condition) & (outcome.draw == draw))
                for draw in np.unique(outcome.draw)
            ]
            name = f"shot_{condition.partition('-')[0]}"
            summary = summarise([one["top1"] for one in by_draw])
            scores[name] = summary.mean
            if summary.sd is not None:
                scores[f"{name}_sd"] = summary.sd
                scores.setdefault("top1_sd", summary.sd)
            scores.setdefault("top1", summary.mean)
            scores.setdefault("macro", float(np.mean([one["macro"] for one in by_draw])))
        return scores

    def _of_draw(self, outcome: Outcome, truth: Truth, rows: npt.NDArray[np.bool_]) -> dict[str, float]:
        labels = aligned(Outcome(outcome.keys[rows], {}), truth)
        asked = of_scored_classes(outcome, labels, rows)
        if not asked.any():
            raise DataError(
                "the test part has no clip of the held-out classes of a draw; choose others by protocol.classes"
            )
        return class_scores(outcome.values["predicted"][rows][asked].astype(np.int64), labels[asked])

    def _supports(self, parts: Parts) -> tuple[ClipSet, list[Support]]:
        """Labelled training clips, and what each draw takes of them."""
        config, gallery = self.config, labelled(parts.train, "training")
        most, supports = max(config.shots), []
        for draw in range(config.draws):
            held = held_out(parts.classes, gallery.labels, config, draw)
            order = shuffled("few_shot", gallery.keys, config.subset_seed, draw)
            labels, rows = gallery.labels[order], []
            for label in held.tolist():
                own = order[(labels == label).nonzero()[:most, 0]]
                if len(own) < most:
                    raise DataError(
                        f"protocol.shots asks for {most} labelled clips of each class, but class"
                        f" '{parts.classes[label]}' has {len(own)} in the training part; ask for at most {len(own)}, or"
                        " choose others by protocol.classes"
                    )
                rows.append(own)
            supports.append(Support(held, torch.stack(rows)))
        return gallery, supports


def held_out(names: Sequence[str], labels: Tensor, config: FewShotConfig, draw: int) -> Tensor:
    """Numbers of a draw's held-out classes, ascending: those asked for, or some of those with training clips."""
    if config.classes:
        beyond = [label for label in config.classes if not 0 <= label < len(names)]
        if beyond:
            raise UsageError(
                f"protocol.classes has {beyond[0]}, but there are {len(names)} classes, 0 to {len(names) - 1}"
            )
        return torch.tensor(sorted(set(config.classes)))
    known = torch.unique(labels)
    if len(known) < 2:
        raise DataError("the training part has clips of one class alone, so there is nothing to classify")
    count = max(2, int(config.share * len(known) + 0.5))
    chosen: Tensor = known[shuffled("few_shot classes", known, config.subset_seed, draw)[:count]]
    return chosen.sort().values


def nearest_mean(queries: Tensor, supports: Tensor) -> Tensor:
    """Place of the class whose mean of (k, shots, D) has the largest cosine with each of (q, D): (q,)."""
    exact = longest_float(queries.device)
    means = functional.normalize(supports.to(exact).mean(1), dim=1)
    cosines: Tensor = functional.normalize(queries.to(exact), dim=1) @ means.T
    return cosines.argmax(1)
