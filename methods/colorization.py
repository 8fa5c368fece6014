"""Skeleton cloud colorization: points without order are given the colours of their frame, joint or person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

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
    mean_term,
    require,
)
from sslskel.contrastive import WHOLE_CLIP
from sslskel.nn.counted_rows import counted_once


class Colour(Enum):
    """What a point's colour tells."""

    temporal = "temporal"
    """Its frame, from red for the first to blue for the last."""
    spatial = "spatial"
    """Its joint, in the order of the layout."""
    person = "person"
    """Its person: red for the first, blue for the second, green for any more, however many there is room for."""


@dataclass
class ColorizationConfig:
    """No source at hand states a value: all but the three colours are ours."""

    colours: list[Colour] = field(default_factory=lambda: list(Colour))
    """An auto-encoder for each, trained side by side; protocols fuse them as streams."""
    sheet_width: int = 45
    """Points along a side of the sheet that is folded, its square in all; ours, from FoldingNet."""
    fold_dim: int = 512
    """Units of the layers that fold; ours, from FoldingNet."""

    def __post_init__(self) -> None:
        names = ", ".join(colour.value for colour in self.colours) or "none"
        require(
            1 <= len(self.colours) == len(set(self.colours)),
            f"method.colours names {names}; it must name 1 to 3 of temporal, spatial and person, each once",
        )
        for name in ("sheet_width", "fold_dim"):
            require(getattr(self, name) >= 1, f"method.{name} is {getattr(self, name)}; it must be at least 1")


def ramp(place: Tensor) -> Tensor:
    """Colours of places from 0 to 1, red over green to blue, of sum 1: (...) -> (..., 3)."""
    return torch.stack([(1 - 2 * place).clamp(min=0), 1 - (2 * place - 1).abs(), (2 * place - 1).clamp(min=0)], -1)


def colours_of(colour: Colour, frames: int, persons: int, joints: int, like: Tensor) -> Tensor:
    """(T * M * V, 3) for the points of a clip in the order of ``Batch.joined``, on the device of ``like``."""

    shape = {Colour.temporal: (frames, 1, 1), Colour.person: (1, persons, 1), Colour.spatial: (1, 1, joints)}[colour]
    place = torch.arange(max(shape), device=like.device, dtype=like.dtype)
    place = place.where(place < 2, 0.5) if colour is Colour.person else place / max(len(place) - 1, 1)
    return ramp(place.reshape(shape).expand(frames, persons, joints)).flatten(0, 2)


def chamfer(made: Tensor, wanted: Tensor, there: Tensor) -> Tensor:
    """The larger of the two mean distances to the nearest point of the other cloud, for each clip: (N,).

    ``made`` is (N, K, S), ``wanted`` (N, L, S), of which the points ``there`` (N, L) count.
    Distances are not squared (Yang et al., "FoldingNet", CVPR 2018, eq. 1).
    """
    distance = torch.cdist(made, wanted, compute_mode="donot_use_mm_for_euclid_dist")  # (N, K, L)
    # A clip in which nobody is seen has one cloud alone, at the origin.
    away = ~there & there.any(1, keepdim=True)
    to_wanted = distance.masked_fill(away[:, None], torch.inf).amin(2).mean(1)
    to_made = (distance.amin(1) * there).sum(1) / there.sum(1).clamp(min=1)
    return torch.maximum(to_wanted, to_made)


class Fold(nn.Module):
    """Moves the points of a sheet as a codeword says: (N, D), (N, K, numbers) -> (N, K, out)."""

    def __init__(self, dim: int, numbers: int, width: int, out: int) -> None:
        super().__init__()
        self.word, self.place = nn.Linear(dim, width), nn.Linear(numbers, width, bias=False)
        self.rest = nn.Sequential(nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, out))

    def forward(self, codeword: Tensor, points: Tensor) -> Tensor:
        """One layer of the codeword and the points together, and two more."""
        moved: Tensor = self.rest(self.word(codeword)[:, None] + self.place(points))
        return moved


class Painter(nn.Module):
    """An encoder, and a decoder that folds a square twice into the coloured cloud."""

    square: Tensor

    def __init__(self, encoder: PooledEncoder, config: ColorizationConfig, numbers: int) -> None:
        super().__init__()
        self.encoder = encoder
        line = torch.linspace(-1, 1, config.sheet_width)
        self.register_buffer("square", torch.cartesian_prod(line, line), persistent=False)
        self.first = Fold(encoder.dim, 2, config.fold_dim, numbers)
        self.second = Fold(encoder.dim, numbers, config.fold_dim, numbers)

    def forward(self, batch: Batch, noise: Noise) -> Tensor:
        """A batch of N clips -> (N, K, C + 3), coordinates and colours of the points that are made."""
        codeword = self.encoder(batch, noise)
        square = self.square.to(codeword).expand(len(codeword), -1, -1)
        cloud: Tensor = self.second(codeword, self.first(codeword, square))
        return cloud


class Colorization(PretextMethod[ColorizationConfig]):
    """From the raw cloud of all joints of all frames alone, its points are made again with colours.

    Yang et al., "Skeleton Cloud Colorization for Unsupervised 3D Action Representation
    Learning", ICCV 2021. Written after the description alone: no code was released. The encoder
    does not know which frame, joint or person a point is of; to paint it, it must understand the
    movement. One auto-encoder learns for each colour. Loss: the Chamfer distance of coordinates and
    colours together. Frames without a person are no points.
    """

    Config = ColorizationConfig
    card = MethodCard(
        paper=(
            "Yang et al., Skeleton Cloud Colorization for Unsupervised 3D Action Representation Learning, ICCV 2021"
        ),
        year=2021,
        family="colouring of point clouds",
        described=True,
    )
    default_backbone = "dgcnn"
    recipe: ClassVar[Mapping[str, Any]] = {
        "train": {
            "optimiser": "adam",
            "lr": 1e-4,
            "weight_decay": 0.0,
            "beta2": 0.999,
            "epochs": 150,
            "batch_size": 24,
        },
        "clip": {**WHOLE_CLIP, "frames": 40},
    }

    def __init__(self, config: ColorizationConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.painters = nn.ModuleDict(
            {
                colour.value: Painter(
                    PooledEncoder(build_backbone(clip), clip, "present"), config, clip.coordinates + 3
                )
                for colour in config.colours
            }
        )

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """One term for each colour: the Chamfer distance in 6 dimensions, mean over clips."""
        batch, persons, joints = views[0], self.clip.persons, self.clip.layout.num_joints
        raw = batch.joined(persons).flatten(1, 2)  # (N, T*M*V, C)
        there = batch.joined_valid(persons).repeat_interleave(joints, 2).flatten(1)  # (N, T*M*V)
        terms = {}
        with counted_once():
            clouds = [painter(batch, noise.view(0).view(at)) for at, painter in enumerate(self.painters.values())]
        for name, made in zip(self.painters, clouds, strict=True):
            paint = colours_of(Colour(name), batch.tracks.shape[1], persons, joints, raw)
            wanted = torch.cat([raw, paint.expand(len(raw), -1, -1)], -1)
            terms[name] = mean_term(chamfer(made.to(wanted), wanted, there))
        return StepOutput(terms)

    def encoders(self) -> dict[str, Encoder]:
        """One for each colour."""
        return {name: painter.encoder for name, painter in self.painters.items()}  # type: ignore[misc]
