"""The occlusion protocol: a linear head trained on whole clips is asked about clips of which a part is hidden.

The head and its recipe are those of ``linear``; what hides is in ``sslskel.transforms.occlude``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.api.protocol import EvaluationProtocol, Outcome, Parts, ProtocolRun, Truth
from sslskel.api.skeleton import PARTS
from sslskel.config.groups import require
from sslskel.errors import DataError
from sslskel.evaluation.features import clip_features, evaluating
from sslskel.evaluation.linear_parts import linear_clips, linear_facts, linear_passes, linear_setup
from sslskel.evaluation.linear_training import LinearConfig, mean_logits
from sslskel.evaluation.metrics import aligned, class_scores
from sslskel.evaluation.selection import Report
from sslskel.hashing import stable_id
from sslskel.transforms.occlude import HideFrames, HideParts, OccludedView


@dataclass
class OcclusionConfig(LinearConfig):
    """A linear recipe, and how much is hidden from the encoder in the test part.

    The field reports both kinds for NTU (PCM3, ACM MM 2023, table 5) but no share is in
    released code; these are ours.
    """

    parts: int = 2
    """Body parts, of five, that are hidden in ``spatial``."""
    frames: float = 0.5
    """Share of the frames that is hidden in ``temporal``, in one stretch."""
    occlusion_seed: int = 0
    """Of what is hidden, apart from the run's seed: the same for all methods and seeds."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(1 <= self.parts < len(PARTS), f"protocol.parts is {self.parts}; it must be 1 to {len(PARTS) - 1}")
        require(0 < self.frames < 1, f"protocol.frames is {self.frames}; it must be in (0, 1)")
        require(self.occlusion_seed >= 0, f"protocol.occlusion_seed is {self.occlusion_seed}; it must not be negative")
        require(
            self.report is Report.selected,
            f"occlusion reports the selected epoch alone; leave out protocol.report={self.report.value}",
        )
        require(not self.levels, "occlusion reads one level; give protocol.level in place of protocol.levels")


class Occlusion(EvaluationProtocol[OcclusionConfig]):
    """Conditions ``clean``, ``spatial`` and ``temporal``, by one head per stream that never saw an occlusion."""

    Config = OcclusionConfig
    version = 2
    trains = "head"
    check_config: ClassVar[Mapping[str, Any]] = {"epochs": 20, "min_steps": 0}
    primary = "occluded"

    def passes(self, train: int, test: int) -> float:
        """As ``linear``, with the test part three times."""
        return linear_passes(self.config, train, test) + 2 * test

    def check(self, parts: Parts) -> None:
        """Refuse a body whose layout does not name all five parts, and what ``linear`` refuses."""
        linear_clips(self.config, parts)
        layout = parts.test.spec.layout
        missing = [part for part in PARTS if part not in layout.parts]
        if missing:
            raise DataError(
                f"occlusion hides body parts, but layout '{layout.name}' does not say which joints are the"
                f" {', '.join(missing)}; name them under 'parts' in the layout, or choose another protocol"
            )

    def evaluate(self, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> Outcome:
        """Logits (R, num_classes), R being three times the test clips; raises what ``linear`` raises."""
        config, views = self.config, {}
        views["spatial"] = OccludedView(HideParts(config.parts))
        views["temporal"] = OccludedView(HideFrames(config.frames))
        noise = Noise(stable_id("occlusion", str(config.occlusion_seed)))
        with evaluating(encoders):
            training, held, labels = linear_setup(config, encoders, parts, run)
            features = {"clean": training.encode(parts.test, "test", 0, "encode test")}
            for name, view in views.items():
                progress = f"encode {name} occlusion"
                features[name] = clip_features(encoders, parts.test, view, noise, config.encode_batch, run, progress)
            chosen = training.run(held, None)
            logits = [mean_logits(chosen.heads, table).cpu().numpy() for table in features.values()]
        return Outcome(
            np.tile(parts.test.keys.cpu().numpy(), len(features)),
            {"logits": np.concatenate(logits)},
            condition=np.repeat([*features], len(parts.test)),
            info=linear_facts(config, labels, chosen) | {"occlusion_seed": config.occlusion_seed},
        )

    def score(self, outcome: Outcome, truth: Truth) -> dict[str, float]:
        """``occluded``, the mean accuracy of both occlusions, and what they cost.

        ``clean``, ``spatial`` and ``temporal`` are accuracies; ``drop_spatial`` and
        ``drop_temporal`` what is lost from ``clean``, and ``drop`` the mean of the two.
        ``top1`` and ``macro`` are those of whole clips.
        """
        assert outcome.condition is not None
        scores: dict[str, float] = {}
        for condition in ("clean", "spatial", "temporal"):
            rows = outcome.condition == condition
            labels = aligned(Outcome(outcome.keys[rows], {}), truth)
            of_classes = class_scores(outcome.values["logits"][rows].argmax(1), labels)
            scores[condition] = of_classes["top1"]
            if condition == "clean":
                scores |= of_classes
            else:
                scores[f"drop_{condition}"] = scores["clean"] - of_classes["top1"]
        scores["drop"] = (scores["drop_spatial"] + scores["drop_temporal"]) / 2
        scores["occluded"] = (scores["spatial"] + scores["temporal"]) / 2
        return scores
