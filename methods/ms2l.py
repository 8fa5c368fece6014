"""MS2L: three tasks on one clip in one loss, motion prediction, jigsaw and contrast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import permutations
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from sslskel import (
    Batch,
    BuildBackbone,
    ClipSpec,
    Encoder,
    MethodCard,
    Noise,
    PooledEncoder,
    PretextMethod,
    Progress,
    StepOutput,
    UsageError,
    ViewSpec,
    clip_counts,
    gather_rows,
    mean_term,
    own_rows,
    require,
)
from sslskel.nn.batch_norm import GlobalBatchNorm
from sslskel.nn.gru import axis_by_axis, numbers_of
from sslskel.nn.lengths import up_to
from sslskel.transforms.clip import FirstFrames, LoopPadding


class Padding(Enum):
    """What stands behind a clip that is shorter than T: the clip again, as in the released data, or zeros."""

    loop = "loop"
    zero = "zero"


@dataclass
class MS2LConfig:
    """Defaults are those of the released code."""

    padding: Padding = Padding.loop
    hidden_share: float = 0.3
    """Share of a clip, at its end, that the encoder does not see where it predicts motion."""
    segments: int = 3
    """Pieces of the jigsaw; each of their orders is a class."""
    width: int = 2048
    """Hidden layer of the heads of jigsaw and contrast."""
    dim: int = 1024
    """Numbers of an embedding of the contrast."""
    temperature: float = 0.9
    """Similarities between embeddings are divided by it."""
    clip_norm: float = 10.0
    """Largest gradient norm of the encoder and of each head, apart from each other; 0 for no clipping."""
    motion_weight: float = 1.0
    """Weight of the prediction of motion."""
    jigsaw_weight: float = 1.0
    """Weight of the jigsaw."""
    contrast_weight: float = 1.0
    """Weight of the contrast."""

    def __post_init__(self) -> None:
        require(0 <= self.hidden_share < 1, f"method.hidden_share is {self.hidden_share}; it must be in [0, 1)")
        require(2 <= self.segments <= 5, f"method.segments is {self.segments}; it must be 2 to 5")
        for name in ("width", "dim"):
            require(getattr(self, name) >= 1, f"method.{name} is {getattr(self, name)}; it must be at least 1")
        require(0 < self.temperature < 1e6, f"method.temperature is {self.temperature}; it must be positive")
        for name in ("clip_norm", "motion_weight", "jigsaw_weight", "contrast_weight"):
            value = getattr(self, name)
            require(0 <= value < 1e6, f"method.{name} is {value}; it must be a number from 0")


def shuffled(frames: Tensor, lengths: Tensor, order: Tensor) -> Tensor:
    """The first frames of every clip, cut into segments of equal length, in another order; the rest stays.

    (N, T, ...), (N,), (N, S) the segment that comes k-th -> (N, T, ...). A clip has at least S frames.
    """
    count, at = order.shape[1], torch.arange(frames.shape[1], device=frames.device)
    size = (lengths // count)[:, None]
    moved = order.gather(1, (at // size).clamp(max=count - 1)) * size + at % size
    source = torch.where(at < count * size, moved, at)
    return frames.take_along_dim(source.reshape(*source.shape, *[1] * (frames.ndim - 2)), 1)


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Contrast of two embeddings (n, D) of each clip among those of all processes: (2, n), a loss for either.

    Each is to find the other one among both of all clips. As released its product with itself counts as -1, so it
    stays a weak negative.
    """
    counts = clip_counts(len(first), first.device)
    every = [gather_rows(normalize(rows, dim=1), counts) for rows in (first, second)]
    own = own_rows(torch.arange(len(every[0]), device=first.device), len(first), counts)
    itself = own[:, None] == torch.arange(len(every[0]), device=first.device)
    losses = []
    for mine, other in (every, every[::-1]):
        asked = own_rows(mine, len(first), counts)
        logits = torch.cat([asked @ other.T, (asked @ mine.T).masked_fill(itself, -1.0)], 1)
        losses.append(cross_entropy(logits / temperature, own, reduction="none"))
    return torch.stack(losses)


def head(dim: int, width: int, out: int) -> nn.Sequential:
    """(N, dim) -> (N, out); weights start Xavier-normal, biases at 0."""
    layers = nn.Sequential(nn.Linear(dim, width), GlobalBatchNorm(width), nn.ReLU(), nn.Linear(width, out))
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return layers


class MotionHead(nn.Module):
    """A GRU of two layers over the states of all frames, and a frame for each: (N, T, D) -> (N, T, numbers)."""

    def __init__(self, dim: int, numbers: int) -> None:
        super().__init__()
        self.decoder = nn.GRU(dim, dim, 2, batch_first=True)
        self.reconstruction = nn.Linear(dim, numbers)

    def forward(self, states: Tensor) -> Tensor:
        frames: Tensor = self.reconstruction(self.decoder(states)[0])
        return frames


class MS2L(PretextMethod[MS2LConfig]):
    """Predict the end of a clip, find the order of its pieces, and know all three forms of it as one clip.

    Lin et al., "MS2L: Multi-Task Self-Supervised Learning for Skeleton Based Action Recognition", ACM MM 2020. As
    released, prediction rebuilds what was shown too, and its error beyond the end of a clip is that of predicting
    zeros. A clip of fewer frames than segments is taken to be T frames long for the rest of the step.
    """

    Config = MS2LConfig
    card = MethodCard(
        paper=(
            "Lin et al., MS2L: Multi-Task Self-Supervised Learning for Skeleton Based Action Recognition, ACM MM 2020"
        ),
        year=2020,
        family="multi-task",
        checked="released code: inputs, every term, gradients, weights of 3 steps; linear head and fine-tuning",
        departures="prediction rebuilds what was shown and counts padding; an embedding is its own weak negative",
        protocols=("linear_ms2l",),
    )
    cross_batch = True
    default_backbone = "bigru_mean"
    recipe: ClassVar[Mapping[str, Any]] = {
        "train": {
            "epochs": 60,
            "batch_size": 256,
            "optimiser": "adam",
            "lr": 1e-3,
            "beta2": 0.999,
            "weight_decay": 0.0,
            "schedule": "step",
            "milestones": [30],
            "decay": 0.1,
            "warmup_epochs": 0,
            "drop_last": False,
        },
        "clip": {"frames": 300, "rotation": 0.0},
    }
    orders: Tensor
    """(S!, S): all orders of the segments."""

    def __init__(self, config: MS2LConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        require(
            clip.frames >= config.segments,
            f"clip.frames is {clip.frames}; method.segments={config.segments} needs at least as many",
        )
        spec = clip.with_views("ms2l", self._view, train=self._view(clip.test_view))
        self.encoder = PooledEncoder(build_backbone(clip), spec, "present")
        if not self.encoder.backbone.joins_persons:
            raise UsageError(
                "ms2l predicts frame by frame and needs a recurrent backbone: bigru_mean, bigru, gru_stepped or lstm"
            )
        orders = torch.tensor(list(permutations(range(config.segments))))
        self.register_buffer("orders", orders, persistent=False)
        dim = self.encoder.dim
        self.contrast_head = head(dim, config.width, config.dim)
        self.jigsaw_head = head(dim, config.width, len(orders))
        self.motion_head = MotionHead(dim, numbers_of(clip))

    def _view(self, view: ViewSpec) -> ViewSpec:
        looped = (LoopPadding(),) if self.config.padding is Padding.loop else ()
        return ViewSpec(FirstFrames(), (*view.augment, *looped))

    def views(self) -> tuple[ViewSpec, ...]:
        """The clip from its first frame on."""
        return (self._view(self.clip.train_view),)

    def _read(self, frames: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """States (N, T, D) and feature (N, D) of all persons' joints (N, T, M*V, C)."""
        features = self.encoder.backbone.read(frames, valid)
        return features.grid[:, :, 0], self.encoder.backbone.summary(features, valid)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """Terms ``motion``, ``jigsaw`` and ``contrast``."""
        config, batch = self.config, views[0]
        frames, lengths, steps = batch.joined(self.clip.persons), batch.lengths(), batch.tracks.shape[1]
        seen = frames * up_to(lengths * (1 - config.hidden_share), steps)[..., None, None]
        label = noise.view(0).on(batch).integers("jigsaw", len(self.orders), per="clip")
        lengths = torch.where(lengths < config.segments, steps, lengths)
        mixed = shuffled(frames, lengths, self.orders[label])
        inside = up_to(lengths, steps)
        self.encoder.bind(batch, noise.view(0))
        read = [self._read(some, inside[..., None]) for some in (frames, seen, mixed)]
        predicted = self.motion_head(read[1][0]) * inside[..., None]
        motion = (predicted - axis_by_axis(frames, self.clip)).square()
        jigsaw = cross_entropy(self.jigsaw_head(read[2][1]), label, reduction="none")
        embedded = [self.contrast_head(feature) for _, feature in read]
        mean = torch.stack(embedded).mean(0)
        contrast = torch.stack([nt_xent(one, mean, config.temperature) for one in embedded])
        return StepOutput(
            {
                "motion": mean_term(motion, config.motion_weight),
                "jigsaw": mean_term(jigsaw, config.jigsaw_weight),
                "contrast": mean_term(contrast, config.contrast_weight),
            }
        )

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The encoder and each head, whose gradients are clipped apart."""
        parts = (self.encoder, self.motion_head, self.jigsaw_head, self.contrast_head)
        return [{"params": list(part.parameters()), "clip_norm": self.config.clip_norm} for part in parts]

    def encoders(self) -> dict[str, Encoder]:
        """The encoder, which sees the clip from its first frame on."""
        return {"joint": self.encoder}
