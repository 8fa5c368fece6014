"""Backbones that each use one thing beyond a grid: validity, joined persons, a token, levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sslskel.api.backbone import Backbone, Features, mean_over_time
from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.api.view import ClipSpec
from sslskel.checks.fixtures import dataset_info, make_source, make_spec
from sslskel.config.groups import require
from sslskel.nn.transformer_blocks import Block, learned_table, patchify, take_tokens

INFO = dataset_info()
SPEC = make_spec(INFO)


@dataclass
class Sizes:
    dim: int = 16

    def __post_init__(self) -> None:
        require(self.dim >= 2, f"backbone.dim is {self.dim}; it must be at least 2")


class FromMean(Backbone[Sizes]):
    """Joints as seen from their mean over the frames in which the person is there; steps of two frames."""

    Config = Sizes
    reads_validity = True

    def __init__(self, config: Any, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        self.dim = config.dim
        self.layer = nn.Linear(2 * clip.coordinates, config.dim)

    def forward(self, tracks: Tensor, valid: Tensor | None = None) -> Tensor:
        assert valid is not None
        there = valid[..., None, None].to(tracks.dtype)
        seen = (tracks - mean_over_time(tracks, valid)[:, None]) * there
        return self.layer(seen.unflatten(1, (-1, 2)).permute(0, 1, 3, 2, 4).flatten(3))


class Joined(Backbone[Sizes]):
    """All persons at once; who is absent and what is padded have vectors of their own."""

    Config = Sizes
    reads_validity = True
    joins_persons = True

    def __init__(self, config: Any, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        self.dim, self.persons = config.dim, clip.persons
        self.layer = nn.Linear(clip.layout.num_joints * clip.coordinates, config.dim)
        self.absent, self.padding = learned_table(config.dim), learned_table(config.dim)

    def forward(self, tracks: Tensor, valid: Tensor | None = None) -> Tensor:
        assert valid is not None
        x = self.layer(tracks.unflatten(2, (self.persons, -1)).flatten(3))
        x = torch.where(valid[..., None], x, torch.zeros_like(x))
        absent = ~valid.any(1, keepdim=True)
        padded = ~valid.any(2, keepdim=True)
        x = x + absent[..., None] * self.absent + padded[..., None] * self.padding
        return x.mean(2, keepdim=True)


class ClassToken(Backbone[Sizes]):
    """A class token before tokens of four frames of all joints."""

    Config = Sizes
    joins_joints = True
    segment = 4

    def __init__(self, config: Any, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        self.dim = config.dim
        self.embed = nn.Linear(self.segment * clip.layout.num_joints * clip.coordinates, config.dim)
        self.table = learned_table(clip.frames // self.segment, config.dim)
        self.start = learned_table(1, 1, config.dim)
        self.block = Block(config.dim, 2, 2.0)

    def tokens(self, tracks: Tensor) -> Tensor:
        return self.embed(patchify(tracks.flatten(2)[:, :, None], self.segment)) + self.table

    def encode(self, tokens: Tensor, keep: Tensor | None = None) -> Tensor:
        return self._encoded(tokens if keep is None else take_tokens(tokens, keep))[:, 1:]

    def _encoded(self, tokens: Tensor) -> Tensor:
        return self.block(torch.cat([self.start.expand(len(tokens), -1, -1), tokens], 1))

    def forward(self, tracks: Tensor) -> Features:
        x = self._encoded(self.tokens(tracks))
        return Features(x[:, 1:, None], token=x[:, 0])


class TwoLevels(Backbone[Sizes]):
    """Two layers over single joints; the first is offered as well."""

    Config = Sizes
    keeps_joints = True

    def __init__(self, config: Any, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        self.dim, self.levels = config.dim, {"shallow": 2 * config.dim}
        self.first, self.second = nn.Linear(clip.coordinates, 2 * config.dim), nn.Linear(2 * config.dim, config.dim)

    def forward(self, tracks: Tensor) -> Features:
        shallow = self.first(tracks).relu()
        return Features(self.second(shallow), levels={"shallow": shallow.mean((1, 2))})


PLUGINS = (FromMean, Joined, ClassToken, TwoLevels)


def built(plugin: type[Backbone[Any]]) -> Backbone[Any]:
    torch.manual_seed(0)
    return plugin(Sizes(), SPEC).double().eval()


def clips(padded: int = 0) -> Batch:
    """Six clips, two of them with a second person; the last frames may be padding with something in it."""
    batch = make_source(INFO, 6, SPEC, torch.float64).batch(torch.arange(6), SPEC.test_view, Noise(0))
    if padded:
        valid = batch.valid.clone()
        valid[:, -padded:] = False
        return batch._replace(valid=valid)
    return batch
