"""GL-Transformer: of every joint, person and frame, where it came from over several intervals, in classes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel import (
    Batch,
    BuildBackbone,
    ClipSpec,
    Encoder,
    Fidelity,
    MethodCard,
    Noise,
    PooledEncoder,
    PretextMethod,
    Progress,
    StepOutput,
    Term,
    UsageError,
    ViewSpec,
    require,
)
from sslskel.contrastive import decay_all, require_shear, require_weight
from sslskel.transforms.augment import Shear
from sslskel.transforms.body_frame import BodyFrame, Stretch, chest, exactly
from sslskel.transforms.clip import FirstFrames

DIRECTIONS = 27
"""Classes of a direction: smaller, equal or larger along each of three axes."""


@dataclass
class GLTransformerConfig:
    """Defaults are those of the released code."""

    intervals: list[int] = field(default_factory=lambda: [1, 5, 10])
    """Frames over which a displacement is predicted, each by heads of its own."""
    distances: int = 14
    """Classes of a displacement's length that is not 0; the last one has no upper end."""
    distance: float = 0.01
    """Width of such a class, in the unit of the clips."""
    global_weight: float = 0.05
    """Of the way of the chest, against that of the other joints relative to it."""
    magnitude_weight: float = 1.0
    """Of the length of a displacement, against its direction."""
    stretch: float = 0.1
    """Largest share by which a training clip becomes longer or shorter."""
    shear: float = 0.3
    """Largest shear of one axis by another."""
    fidelity: Fidelity = Fidelity.released

    def __post_init__(self) -> None:
        shown = ", ".join(map(str, self.intervals)) or "none"
        require(
            bool(self.intervals) and min(self.intervals) >= 1,
            f"method.intervals has {shown}; it must have at least one, each of 1 frame or more",
        )
        require(self.distances >= 1, f"method.distances is {self.distances}; it must be at least 1")
        require(0 < self.distance < math.inf, f"method.distance is {self.distance}; it must be a positive number")
        require_weight("global_weight", self.global_weight)
        require_weight("magnitude_weight", self.magnitude_weight)
        require(0 <= self.stretch < 1, f"method.stretch is {self.stretch}; it must be in [0, 1)")
        require_shear(self.shear)


def displacements(tracks: Tensor, intervals: Sequence[int]) -> Tensor:
    """(P, T, V, C) -> (P, T, I, V, C): where a joint was some frames before, minus where it is.

    Before the first frame it was where it is in that one.
    """
    frames = torch.arange(tracks.shape[1], device=tracks.device)
    return torch.stack([tracks[:, (frames - interval).clamp(min=0)] - tracks for interval in intervals], 2)


def direction_classes(moves: Tensor) -> Tensor:
    """(..., 3) -> (...) int64 in 0..26: 0, 1, 2 for negative, zero, positive, of x plus 3 of y plus 9 of z."""
    x, y, z = (moves.sign() + 1).unbind(-1)
    return (x + 3 * y + 9 * z).long()


class GLTransformer(PretextMethod[GLTransformerConfig]):
    """One network over both persons of a whole clip predicts direction and length of past displacements.

    Kim et al., "Global-local Motion Transformer for Unsupervised Skeleton-based Action Learning", ECCV 2022.
    Joints are relative to the chest and turn with the shoulders; the chest's slot holds its way. Released: the weight
    of that way is applied in the first interval only, the others count as joints; a gap in a clip cuts as many frames
    from its end. Paper, as its abstract and the names in the code have it (it could not be read in full): the weight
    is applied in every interval, and a gap stays a gap. In both, persons who are not there have classes too.
    """

    Config = GLTransformerConfig
    card = MethodCard(
        paper=(
            "Kim et al., Global-local Motion Transformer for Unsupervised Skeleton-based Action Learning, ECCV 2022"
        ),
        year=2022,
        family="prediction of displacements",
        checked="released code: views, classes, every term, gradients, weights of 3 steps, features",
        departures="the chest's way has its own weight in one of three intervals; a gap cuts the clip's end",
        protocols=("linear_gl_transformer",),
    )
    default_backbone = "global_local"
    recipe: ClassVar[Mapping[str, Any]] = {
        "train": {
            "optimiser": "adamw",
            "lr": 5e-5,
            "weight_decay": 0.1,
            "beta2": 0.999,
            "warmup_epochs": 0,
            "schedule": "step",
            "decay": 0.99,
            "milestones": list(range(1, 120)),
            "epochs": 120,
            "batch_size": 128,
        },
        "clip": {"frames": 300, "rotation": 0.0},
        "backbone": {"dropout": 0.1, "drop_path": 0.1},
    }
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "cpu": {
            "clip": {"frames": 60},
            "train": {"epochs": 60, "batch_size": 16, "lr": 5e-4, "min_lr": 0.0, "schedule": "cosine"},
        },
        "quick": {
            "clip": {"frames": 60},
            "train": {"epochs": 20, "batch_size": 16, "lr": 5e-4, "min_lr": 0.0, "schedule": "cosine"},
        },
    }

    def __init__(self, config: GLTransformerConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        clip.require_3d("gl_transformer")
        released = config.fidelity is Fidelity.released
        read = BodyFrame(keeps_gaps=not released)

        def in_body_frame(view: ViewSpec) -> ViewSpec:
            return ViewSpec(FirstFrames(), (*view.augment, read))

        train = in_body_frame(clip.train_view)
        # Heads are trained on stretched clips too, as released.
        stretched = replace(train, augment=(*train.augment, Stretch(config.stretch)))
        clip = clip.with_views("gl_transformer", in_body_frame, train=stretched)
        super().__init__(config, build_backbone, clip)
        self.released, self.pretext_view = released, train
        self.encoder = PooledEncoder(build_backbone(clip), clip, "present")
        tokens = clip.layout.num_joints * clip.persons

        def heads(classes: int) -> nn.ModuleList:
            return nn.ModuleList(nn.Linear(self.encoder.dim, tokens * classes) for _ in config.intervals)

        self.directions, self.magnitudes = heads(DIRECTIONS), heads(config.distances + 2)

    def views(self) -> tuple[ViewSpec, ...]:
        """The clip before it is changed, which the step does in double precision."""
        return (self.pretext_view,)

    def changed(self, batch: Batch, noise: Noise) -> Batch:
        """The clips stretched and sheared; the chest's way is not sheared, as released."""
        stretched = Stretch(self.config.stretch)(batch, noise, self.clip)
        sheared = Shear(self.config.shear)(stretched, noise, self.clip).tracks
        way = torch.arange(sheared.shape[2], device=sheared.device)[:, None] == chest(self.clip.layout)
        return stretched._replace(tracks=torch.where(way, stretched.tracks, sheared))

    def targets(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Classes of directions and of lengths, (N, T, I, V, M) int64 each.

        Another person than the first who is not there in the first frame has a class of length of its own.
        """
        bodies = batch.filled(self.clip.persons)
        moves = displacements(bodies.tracks, self.config.intervals)
        length = moves.square().sum(-1).sqrt()
        steps = (length / self.config.distance).floor() + 1
        classes = torch.where(length == 0, 0, steps.clamp(max=self.config.distances)).long()
        missing = (bodies.slot > 0) & (bodies.tracks[:, 0] == 0).flatten(1).all(1)
        classes = classes.masked_fill(missing[:, None, None, None], self.config.distances + 1)
        per_clip = (batch.num_clips, self.clip.persons, *classes.shape[1:])
        direction, distance = (c.reshape(per_clip).movedim(1, -1) for c in (direction_classes(moves), classes))
        return direction, distance

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """Cross entropy of directions and lengths, over joints and over the way of the chest."""
        noise = noise.view(0).on(views[0])
        batch = self.changed(exactly(views[0]), noise)
        direction, distance = self.targets(batch)
        batch = batch._replace(tracks=batch.tracks.to(views[0].tracks.dtype))
        self.encoder.bind(batch, noise)
        features = self.encoder.steps(batch)
        if features.shape[1] != self.clip.frames:
            raise UsageError(
                f"gl_transformer predicts something for each of {self.clip.frames} frames, but its backbone gives"
                f" features of {features.shape[1]}; use one that keeps frames, for instance --backbone global_local"
            )
        valid = batch.joined_valid(self.clip.persons).any(2)
        terms = self._terms("direction", self.directions, features, direction, valid, 1.0)
        weight = self.config.magnitude_weight
        return StepOutput(terms | self._terms("magnitude", self.magnitudes, features, distance, valid, weight))

    def _terms(
        self, name: str, heads: nn.ModuleList, features: Tensor, wanted: Tensor, valid: Tensor, weight: float
    ) -> dict[str, Term]:
        """Terms of one kind of classes (N, T, I, V, M) over the valid frames (N, T)."""
        logits = torch.stack([head(features).unflatten(2, (*wanted.shape[3:], -1)) for head in heads], 2)
        errors = functional.cross_entropy(logits.flatten(0, -2), wanted.flatten(), reduction="none")
        errors = errors.reshape(wanted.shape) * valid[:, :, None, None, None]
        way = torch.arange(wanted.shape[3], device=wanted.device) == chest(self.clip.layout)
        first = torch.arange(wanted.shape[2], device=wanted.device)[:, None] < 1
        ways = (way & first if self.released else way.expand(wanted.shape[2], -1))[..., None]
        each = valid.sum() * self.clip.persons

        def over(some: Tensor, scale: float) -> Term:
            return Term((errors * some).sum(), (each * some.sum()).to(errors.dtype), scale)

        return {f"{name}_joints": over(~ways, weight), f"{name}_way": over(ways, weight * self.config.global_weight)}

    def encoders(self) -> dict[str, Encoder]:
        """The network behind its last layers, averaged over valid frames."""
        return {"joint": self.encoder}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Released code decays biases and gains too."""
        return decay_all(self)
