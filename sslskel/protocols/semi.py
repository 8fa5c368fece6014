"""Semi-supervised evaluation: fine-tuning where few training clips have labels, several draws of them.

``semi_1``, ``semi_5``, ``semi_20`` in ``configs/protocol`` name other fractions. Which clips have
labels is decided in ``sslskel.evaluation.subsets``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from sslskel.api.encoder import Encoder
from sslskel.api.protocol import ClipSet, EvaluationProtocol, Outcome, Parts, ProtocolRun, Truth
from sslskel.config.groups import require
from sslskel.evaluation.finetune_config import UNSAID, FineTuneConfig
from sslskel.evaluation.finetune_training import Tuned, fine_tune, starting_point
from sslskel.evaluation.metrics import aligned, logit_scores
from sslskel.evaluation.recipes import recipe_label
from sslskel.evaluation.selection import Selection, learnable, training_parts
from sslskel.evaluation.subsets import PartlyLabelled, draw_subsets, first_of_classes, subsets_digest
from sslskel.results.statistics import summarise


@dataclass
class SemiConfig(FineTuneConfig):
    """The released MAMP fine-tuning on a share of the training clips."""

    fraction: float = 0.1
    """Share of the training clips that have labels."""
    draws: int = 5
    """Subsets that are drawn and trained on, one after the other."""
    balanced: bool = True
    """The same share of every class; otherwise of all clips, as MAMP and CMD draw."""
    subset_seed: int = 0
    """Of the subsets, apart from the run's seed: all methods and seeds are judged on the same ones."""
    in_order: bool = False
    """Nothing is drawn: the first clips of each class in the order of the dataset, as many of each, at least one.
    Draws differ in their training alone."""
    unsaid: ClassVar[Mapping[str, object]] = {**FineTuneConfig.unsaid, "in_order": False}

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.fraction <= 1, f"protocol.fraction is {self.fraction}; it must be in (0, 1]")
        require(self.draws >= 1, f"protocol.draws is {self.draws}; it must be at least 1")
        require(self.subset_seed >= 0, f"protocol.subset_seed is {self.subset_seed}; it must not be negative")


class Semi(EvaluationProtocol[SemiConfig]):
    """Fine-tune on each of several small subsets; the score is the mean over them.

    ``kept`` arrays of the outcome name the clips that had labels in each draw.
    """

    Config = SemiConfig
    needs = frozenset({"tokens"})
    trains = "all"
    trains_classifiers = gives_unlabelled = True
    check_config: ClassVar[Mapping[str, Any]] = {
        "epochs": 8,
        "batch_size": 16,
        "lr": 2e-2,
        "warmup_epochs": 1.0,
        "hidden": 64,
        "fraction": 0.5,
        "draws": 2,
    }

    def passes(self, train: int, test: int) -> float:
        """The labelled clips forward and backward in every epoch of every draw."""
        return self.config.draws * (3.0 * self.config.fraction * train * self.config.epochs + test)

    def check(self, parts: Parts) -> None:
        """Refuse a fraction that leaves a class without a clip, and what ``finetune`` refuses."""
        self._subsets(parts)

    def evaluate(self, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> Outcome:
        """Logits (draws * n, num_classes) of the test clips, draw by draw; the encoders stay as they were.

        Raises ``DataError`` where a class is left without a labelled clip, and what
        ``finetune`` raises.
        """
        config, classes = self.config, len(parts.classes)
        clips, held, subsets = self._subsets(parts)
        tuned: list[Tuned] = []
        for draw, rows in enumerate(subsets):
            learnable(clips.subset(rows), classes)
            some = PartlyLabelled(clips, rows)
            start = starting_point(config, encoders, run)
            tuned.append(fine_tune(config, start, some, held, parts.test, classes, run, "semi", str(draw)))
            run.reporter.step("labelled subset", draw + 1, config.draws)
        count = len(parts.test)
        epochs = sorted({one.epoch for one in tuned})
        shown = [one.by_epoch for one in tuned if one.by_epoch is not None]
        info: dict[str, Any] = {
            "recipe": recipe_label("semi", config, UNSAID | {"fraction"}),
            "selection": config.selection.value,
            "epoch": epochs[0] if len(epochs) == 1 else None,
            "labels": len(subsets[0]) + (0 if held is None else len(held)),
            "fraction": config.fraction,
            "labelled_clips": [len(rows) for rows in subsets],
            "of_clips": len(clips),
            "subset": "first of each class" if config.in_order else "class-balanced" if config.balanced else "plain",
            "subset_seed": config.subset_seed,
            "subset_sha256": subsets_digest(clips.keys, subsets),
            **tuned[0].facts,
        }
        return Outcome(
            np.tile(parts.test.keys.cpu().numpy(), config.draws),
            {"logits": np.concatenate([one.logits for one in tuned])},
            draw=np.repeat(np.arange(config.draws), count),
            info=info,
            by_epoch=np.concatenate(shown, 1) if shown else None,
            kept={
                "labelled_keys": clips.keys[torch.cat(subsets)].cpu().numpy(),
                "labelled_draw": np.repeat(np.arange(config.draws), [len(rows) for rows in subsets]),
            },
        )

    def score(self, outcome: Outcome, truth: Truth) -> dict[str, float]:
        """Means over draws of ``top1``, ``macro`` and, with more than 5 classes, ``top5``; ``draws`` counts them.

        With two draws or more also the standard deviation of top-1 over them (``top1_sd``) and
        the 95 % t interval of its mean (``top1_low``, ``top1_high``).
        """
        draws = np.zeros(len(outcome.keys), np.int64) if outcome.draw is None else outcome.draw
        by_draw = []
        for draw in np.unique(draws):
            rows = draws == draw
            one = Outcome(outcome.keys[rows], {"logits": outcome.values["logits"][rows]})
            by_draw.append(logit_scores(one.values["logits"], aligned(one, truth)))
        scores = {name: float(np.mean([one[name] for one in by_draw])) for name in by_draw[0]}
        scores["draws"] = float(len(by_draw))
        summary = summarise([one["top1"] for one in by_draw])
        if summary.sd is not None and summary.interval is not None:
            low, high = summary.interval
            scores |= {"top1_sd": summary.sd, "top1_low": low, "top1_high": high}
        return scores

    def _subsets(self, parts: Parts) -> tuple[ClipSet, ClipSet | None, list[Tensor]]:
        """Clips to draw from, those to choose the epoch by, and positions of each draw."""
        config = self.config
        held_out = config.selection is Selection.validation
        clips, held = training_parts(parts, held_out, "protocol.selection=validation")
        if config.in_order:
            first = first_of_classes(clips.labels, config.fraction, len(parts.classes))
            return clips, held, [first] * config.draws
        drawn = draw_subsets(clips, parts.classes, config.fraction, config.balanced, config.subset_seed, config.draws)
        return clips, held, drawn
