"""AS-CAL: momentum contrast of augmented clips with an LSTM, on features of any length."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

from torch import Tensor, nn

from sslskel import (
    Augment,
    Batch,
    BuildBackbone,
    ClipSpec,
    Encoder,
    MethodCard,
    Noise,
    PretextMethod,
    Progress,
    StepOutput,
    Stream,
    ViewSpec,
    require,
)
from sslskel.contrastive import (
    ContrastConfig,
    MomentumContrast,
    MomentumSteps,
    Tower,
    info_nce,
    mean_term,
    sgd_recipe,
)
from sslskel.transforms.augment import AxisMask, AxisRotation, FillPersons, GaussianNoise, Shear
from sslskel.transforms.augment_time import GaussianBlur, JointMask, TimeFlip
from sslskel.transforms.clip import CentreFrames, FirstFrames


class Change(Enum):
    """Augmentations of the released code."""

    centre = "centre"
    reverse = "reverse"
    shear = "shear"
    rotate = "rotate"
    noise = "noise"
    blur = "blur"
    joint_mask = "joint_mask"
    axis_mask = "axis_mask"


CHANGES: Mapping[Change, tuple[Augment, ...]] = {
    Change.centre: (CentreFrames(),),
    Change.reverse: (TimeFlip(),),
    Change.shear: (Shear(),),
    Change.rotate: (AxisRotation(),),
    Change.noise: (FillPersons(), GaussianNoise(sd=0.05, probability=1.0)),
    Change.blur: (GaussianBlur(),),
    Change.joint_mask: (JointMask(),),
    Change.axis_mask: (AxisMask(probability=1.0),),
}
"""Missing persons are zeros that get the noise too, as released."""


class Projector(Enum):
    """Head between features and embeddings; protocols see features alone."""

    none = "none"
    linear = "linear"
    nonlinear = "nonlinear"


@dataclass
class AsCalConfig(ContrastConfig):
    """Defaults are those of the released NTU RGB+D scripts."""

    dim: int = 512
    """Numbers of an embedding behind a projector; without one it is the feature."""
    temperature: float = 0.06
    stream: Stream = Stream.joint
    projector: Projector = Projector.none
    changes: list[Change] = field(default_factory=lambda: [Change.centre, Change.reverse, Change.shear])
    """Augmentations of both views, in order."""
    filling_epochs: int = 1
    """First epochs, in which keys fill the queue and no weight changes."""
    unit_length: bool = False
    """Scale embeddings to length 1, so that cosines are compared; the released code does not."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.filling_epochs >= 0, f"method.filling_epochs is {self.filling_epochs}; it must be a number from 0")


def projector(kind: Projector, dim: int, out: int) -> nn.Module:
    """(N, dim) -> (N, out); weights start as N(0, 0.01), biases as torch starts them."""
    if kind is Projector.none:
        return nn.Identity()
    layers = [nn.Linear(dim, out)] if kind is Projector.linear else [nn.Linear(dim, dim), nn.Linear(dim, out)]
    for layer in layers:
        nn.init.normal_(layer.weight, 0, 0.01)
    return nn.Sequential(layers[0], *(part for layer in layers[1:] for part in (nn.ReLU(), layer)))


def centred_first_frames(view: ViewSpec) -> ViewSpec:
    """What the encoder sees of a clip."""
    return ViewSpec(FirstFrames(), (*view.augment, CentreFrames()))


class AsCal(MomentumSteps, PretextMethod[AsCalConfig]):
    """Two reversed and sheared views of a clip should agree, by products of raw features, against a queue.

    Rao et al., "Augmented Skeleton Based Contrastive Action Learning with Momentum LSTM for Unsupervised Action
    Recognition", Information Sciences 2021. Differs from MoCo in that features keep their length, the key encoder
    moves after the optimiser, and the first epoch fills the queue alone. The first T frames are read, with zeros
    behind a shorter clip, in training and in test.
    """

    Config = AsCalConfig
    card = MethodCard(
        paper=(
            "Rao et al., Augmented Skeleton Based Contrastive Action Learning with Momentum LSTM for Unsupervised "
            "Action Recognition, Information Sciences 2021"
        ),
        year=2021,
        family="momentum contrast",
        checked="released code: views, losses, gradients, queue and weights of 5 steps over two epochs, linear head",
        protocols=("linear_ascal",),
    )
    cross_batch = True
    default_backbone = "lstm"
    recipe: ClassVar[Mapping[str, Any]] = {
        "train": {**sgd_recipe(epochs=60, batch_size=32, lr=0.01, milestone=30), "drop_last": False},
        "clip": {"frames": 150, "rotation": 0.0},
    }

    def __init__(self, config: AsCalConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.read = clip.with_views("ascal", centred_first_frames, train=centred_first_frames(clip.test_view))
        backbone = build_backbone(clip)
        head = projector(config.projector, backbone.dim, config.dim)
        query = Tower(backbone, head, clip, config.stream, config.empty_bodies, unit_length=config.unit_length)
        dim = backbone.dim if config.projector is Projector.none else config.dim
        self.contrast = MomentumContrast(query, copy.deepcopy(query), dataclasses.replace(config, dim=dim))
        bound = math.sqrt(3 / dim)
        nn.init.uniform_(self.contrast.queue.entries, -bound, bound)

    def views(self) -> tuple[ViewSpec, ...]:
        """Query and key."""
        changes = (augment for change in self.config.changes for augment in CHANGES[change])
        return (ViewSpec(FirstFrames(), (*self.clip.train_view.augment, *changes)),) * 2

    def updates(self, progress: Progress) -> bool:
        """Not in the first epochs, which fill the queue."""
        return progress.epoch >= self.config.filling_epochs

    def on_step_start(self, progress: Progress, noise: Noise) -> None:
        """The key encoder has moved behind the last step."""

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """One term, ``contrast``: InfoNCE over the own key and the queue."""
        query: Tensor = self.contrast.query(views[0], noise.view(0))
        key = self.contrast.keys(views[1], noise.view(1))
        logits = self.contrast.similarities(query, key) / self.config.temperature
        return StepOutput({"contrast": mean_term(info_nce(logits))})

    def on_step_end(self, progress: Progress, noise: Noise) -> None:
        """Move the key encoder where the query has moved, then put the keys into the queue."""
        if self.updates(progress):
            self.contrast.follow()
        self.contrast.push()

    def encoders(self) -> dict[str, Encoder]:
        """The query's backbone, which sees the first frames, centred."""
        encoder = self.contrast.query.encoder()
        encoder.spec = self.read
        return {self.config.stream.value: encoder}
