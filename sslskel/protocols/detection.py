"""The detection protocol: which actions an untrimmed recording shows, and from when to when.

A linear head tells the action of every short stretch from a frozen encoder's steps; its
probabilities become segments in ``sslskel.evaluation.segments``, where the scores are too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from sslskel.api.dataset import Segments
from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.api.protocol import EvaluationProtocol, Outcome, Parts, ProtocolRun, Truth
from sslskel.config.groups import require
from sslskel.engine.optimisers import SGD
from sslskel.errors import DataError, Diverged, RunError, UsageError
from sslskel.evaluation.features import evaluating, feature_dtype
from sslskel.evaluation.linear_head import LinearHead, fit_epoch, mini_batches, step_rate
from sslskel.evaluation.recipes import recipe_label
from sslskel.evaluation.segments import Detections, detection_scores, frame_labels, segments_of
from sslskel.evaluation.windows import Bins, at_frames, encode_bins
from sslskel.hashing import stable_id

RANKING = 0.5


@dataclass
class DetectionConfig:
    """The head's schedule is that of Simple-Skeleton-Detection (linear, frozen encoder, PKU-MMD phase I)."""

    recipe: str = "linear"
    """Name under which the record says how the head was trained; changed fields are added to it."""
    window: int = 64
    """Raw frames that the encoder sees at a time; windows lie end to end."""
    bins: int = 8
    """Stretches of a window, each with a feature and a predicted class."""
    epochs: int = 60
    """Times that the training part is gone through."""
    batch_size: int = 64
    """Windows of a step."""
    lr: float = 0.01
    """Learning rate at the first step."""
    milestones: list[int] = field(default_factory=lambda: [40])
    """Epochs, from 0, at which the rate is multiplied by ``decay``."""
    decay: float = 0.1
    """Factor of the learning rate at each of the ``milestones``."""
    momentum: float = 0.9
    """Of SGD."""
    norm: bool = True
    """Normalise features by BatchNorm without scale and shift before the layer."""
    gap: int = 15
    """Most frames of something else inside a segment."""
    shortest: int = 8
    """Fewest frames of a segment."""
    overlaps: list[float] = field(default_factory=lambda: [0.1, 0.3, 0.5])
    """Intersections over union at which a detection counts; 0.5, which ranks, is always among them."""
    encode_batch: int = 128
    """Windows that an encoder sees at a time; a matter of memory and speed only."""

    def __post_init__(self) -> None:
        for name in ("window", "bins", "epochs", "shortest", "encode_batch"):
            require(getattr(self, name) >= 1, f"protocol.{name} is {getattr(self, name)}; it must be at least 1")
        require(self.bins <= self.window, f"protocol.bins is {self.bins}; a window has {self.window} frames")
        require(self.batch_size >= 2, f"protocol.batch_size is {self.batch_size}; batch statistics need 2 windows")
        require(0 < self.lr < math.inf, f"protocol.lr is {self.lr}; it must be positive")
        require(0 < self.decay <= 1, f"protocol.decay is {self.decay}; it must be in (0, 1]")
        require(0 <= self.momentum < 1, f"protocol.momentum is {self.momentum}; it must be in [0, 1)")
        require(self.gap >= 0, f"protocol.gap is {self.gap}; it must not be negative")
        for share in self.overlaps:
            require(0 < share <= 1, f"protocol.overlaps has {share}; an overlap must be in (0, 1]")
        require(bool(self.recipe.strip()), "protocol.recipe is empty; give the recipe a name")


class Detection(EvaluationProtocol[DetectionConfig]):
    """Rows are detections: any number per recording. Streams have a head each and vote by mean logits."""

    Config = DetectionConfig
    needs = frozenset({"steps"})
    trains = "head"
    primary = "map_a_50"
    untrimmed = True
    check_config: ClassVar[Mapping[str, Any]] = {"epochs": 15, "lr": 0.1, "milestones": [12]}

    def check(self, parts: Parts) -> None:
        """Refuse recordings without annotated actions, or with those of one class alone."""
        self._truth(parts)

    def evaluate(self, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> Outcome:
        """Per detection ``label``, ``begin``, ``end`` (frames, exclusive) and ``score``; ``item`` counts them.

        Raises ``UsageError`` where nothing is annotated, ``DataError`` for annotations that do
        not fit, ``Diverged`` where a head does.
        """
        config, test = self.config, parts.test
        truth = self._truth(parts)
        arguments = (config.window, config.bins, config.encode_batch, run)
        with evaluating(encoders):
            seen = encode_bins(encoders, parts.train, *arguments, "encode training windows")
            asked = encode_bins(encoders, test, *arguments, "encode test windows")
        labels = _bin_labels(seen, truth).to(run.device)
        heads = self._heads(seen.features, labels, len(parts.classes) + 1, run)
        with torch.no_grad():
            logits = torch.stack([head.eval()(asked.features[stream]) for stream, head in heads.items()]).mean(0)
        chances = logits.double().softmax(1).cpu()
        detections = self._segments(asked, chances, len(test))
        info: dict[str, Any] = {
            "recipe": recipe_label("detection", config, {"encode_batch", "overlaps"}),
            "selection": "last",
            "epoch": config.epochs,
            "labels": len(parts.train),
            "annotated_actions": len(truth[1].owner),
        }
        values = {name: getattr(detections, name) for name in ("label", "begin", "end", "score")}
        keys = test.keys.cpu().numpy()[detections.owner]
        return Outcome(keys, values, item=np.arange(len(keys)), info=info)

    def score(self, outcome: Outcome, truth: Truth) -> dict[str, float]:
        """``map_a_XX`` over actions and ``map_v_XX`` over recordings, for each overlap of XX per cent."""
        if truth.segments is None:
            raise RunError("detection is scored against annotated actions, which are not given")
        if not len(truth.segments.owner):
            raise DataError("no recording of the test part has an annotated action to be found")
        order = np.argsort(truth.keys)
        owner = order[np.searchsorted(truth.keys[order], outcome.keys)]
        detections = Detections(owner, *(outcome.values[name] for name in ("label", "begin", "end", "score")))
        return detection_scores(detections, truth.segments, sorted({*self.config.overlaps, RANKING}))

    def _truth(self, parts: Parts) -> tuple[list[np.ndarray[Any, np.dtype[np.int64]]], Segments]:
        """Class of every frame of the training recordings, and their annotations."""
        segments = parts.train.segments
        if segments is None or not len(segments.owner):
            raise UsageError(
                "detection needs recordings with annotated actions, but the training part has none; take a benchmark"
                " that has them (docs/guide/datasets.md)"
            )
        labels = np.unique(segments.label)
        if len(labels) < 2:
            raise DataError(
                f"the training recordings show one action alone ('{parts.classes[labels[0]]}'), so that there is"
                " nothing to tell apart; choose another split"
            )
        return frame_labels(parts.train.lengths.tolist(), segments, len(parts.classes)), segments

    def _heads(
        self, features: Mapping[str, Tensor], labels: Tensor, classes: int, run: ProtocolRun
    ) -> dict[str, LinearHead]:
        config, heads = self.config, {}
        for stream, rows in features.items():
            noise = Noise(stable_id("detection", str(run.seed)))
            head = LinearHead(rows.shape[1], classes, noise, feature_dtype(run), norm=config.norm).to(run.device)
            optimiser = SGD(head.parameters(), config.lr, momentum=config.momentum)
            for epoch in range(1, config.epochs + 1):
                order = Noise(stable_id("detection order", str(run.seed)), epoch)
                shuffle = order.permutation("order", len(rows), per="batch").to(run.device)
                batches = mini_batches(shuffle, config.batch_size * config.bins)
                rate = step_rate(config.lr, epoch - 1, config.milestones, config.decay)
                loss = fit_epoch(head, optimiser, rows, labels, batches, [rate] * len(batches))
                if not torch.isfinite(loss):
                    raise Diverged(f"the detection head of stream '{stream}' diverged; lower protocol.lr")
                run.reporter.step(f"detection head, {stream}, epoch", epoch, config.epochs)
            heads[stream] = head
        return heads

    def _segments(self, bins: Bins, chances: Tensor, count: int) -> Detections:
        columns: list[list[Any]] = [[], [], [], [], []]
        for owner in range(count):
            segments = segments_of(at_frames(bins, chances, owner).numpy(), self.config.gap, self.config.shortest)
            for column, values in zip(columns, (np.full(len(segments[0]), owner), *segments), strict=True):
                column.append(values)
        owners, labels, begins, ends, scores = (np.concatenate(column) for column in columns)
        return Detections(owners.astype(np.int64), labels, begins, ends, scores)


def _bin_labels(bins: Bins, truth: tuple[list[np.ndarray[Any, np.dtype[np.int64]]], Segments]) -> Tensor:
    """(B,) the class of the frame in the middle of each bin."""
    tracks = truth[0]
    starts = torch.tensor([0, *np.cumsum([len(track) for track in tracks])[:-1]])
    whole = torch.from_numpy(np.concatenate(tracks))
    middle = (bins.begin + bins.end - 1).div(2, rounding_mode="floor")
    labels: Tensor = whole[starts[bins.owner] + middle]
    return labels
