"""Clips whose features a test can write down, an encoder that hands them through, and a run for protocols."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from sslskel.api.batch import Batch
from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.api.protocol import Parts, ProtocolRun, Truth
from sslskel.api.view import ViewSpec
from sslskel.progress import SILENT

TRAIN, TEST = ViewSpec(sample=lambda *_: None), ViewSpec(sample=lambda *_: None)


class Rows:
    """A clip set whose one frame and joint hold the feature; a training view adds keyed jitter."""

    def __init__(self, features: Tensor, labels: Tensor, keys: Tensor, jitter: float = 0.0) -> None:
        self.features, self.labels, self.keys, self.jitter = features, labels, keys, jitter
        self.lengths = torch.ones_like(keys)
        self.passes: list[str] = []

    def __len__(self) -> int:
        return len(self.keys)

    def batches(self, view: ViewSpec, noise: Noise, size: int) -> Iterator[Batch]:
        self.passes.append("train" if view is TRAIN else "test")
        for at in torch.arange(len(self)).split(size):
            tracks = self.features[at][:, None, None]
            seed = torch.arange(len(at))
            of_clips = (self.keys[at], self.labels[at], torch.full_like(at, -1))
            batch = Batch(tracks, tracks[..., 0, 0] == tracks[..., 0, 0], seed, seed * 0, *of_clips)
            if view is TRAIN and self.jitter:
                draw = noise.on(batch).normal("jitter", tuple(tracks.shape[1:]), dtype=tracks.dtype)
                batch = batch._replace(tracks=tracks + self.jitter * draw)
            yield batch

    def subset(self, rows: Tensor) -> Rows:
        return Rows(self.features[rows], self.labels[rows], self.keys[rows], self.jitter)


class Pass(Encoder):
    """Hands the feature through, after a network with weights and a BatchNorm to protect."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.spec = SimpleNamespace(train_view=TRAIN, test_view=TEST, more_test_views=())  # type: ignore[assignment]
        self.norm = nn.BatchNorm1d(dim, affine=False, momentum=0.5)
        self.modes: set[bool] = set()

    def clip(self, batch: Batch) -> Tensor:
        self.modes.add(self.training)
        return batch.tracks[:, 0, 0] + 0 * self.norm(batch.tracks[:, 0, 0])


def run_of(seed: int = 0, dtype: torch.dtype = torch.float32, **changes: Any) -> ProtocolRun:
    fields = {"autocast": contextlib.nullcontext, "reporter": SILENT} | changes
    return ProtocolRun(seed, torch.device("cpu"), dtype, **fields)


def problem(
    count: int = 300, classes: int = 8, dim: int = 12, spread: float = 1.0, dtype: torch.dtype = torch.float32
) -> tuple[Parts, Truth]:
    """Gaussian classes; the test part shows no label."""
    generator = torch.Generator().manual_seed(5)
    centres = torch.randn(classes, dim, generator=generator, dtype=torch.float64)

    def part(size: int, first_key: int) -> Rows:
        labels = torch.arange(size) % classes
        noise = torch.randn(size, dim, generator=generator, dtype=torch.float64)
        return Rows((centres[labels] + spread * noise).to(dtype), labels, torch.arange(size) * 7 + first_key)

    train, test = part(count, 10**6), part(count, 10**7)
    truth = Truth(test.keys.numpy(), test.labels.numpy(), tuple(f"class {i}" for i in range(classes)))
    test.labels = torch.full_like(test.labels, -1)
    held = torch.arange(count) % 5 == 0
    fit, validation = train.subset((~held).nonzero()[:, 0]), train.subset(held.nonzero()[:, 0])
    return Parts(train, fit, validation, test, truth.classes), truth


def given(train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor, classes: int) -> tuple[Parts, Truth]:
    """Parts of features (n, D) that are there already; the test part shows no label."""
    keys = torch.arange(len(train) + len(test))
    names = tuple(f"class {i}" for i in range(classes))
    known = Rows(train, train_labels, keys[: len(train)])
    asked = Rows(test, torch.full_like(test_labels, -1), keys[len(train) :])
    return Parts(known, known, None, asked, names), Truth(asked.keys.numpy(), test_labels.numpy(), names)
