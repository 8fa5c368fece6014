"""A sampler's -1 is padding: zeros that are never valid, whoever else is in the batch."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from sslskel.api.noise import Noise
from sslskel.api.view import ClipSpec, ViewSpec
from sslskel.data.loader import ClipSource
from sslskel.data.store.store import open_dataset


def window(begin: int) -> ViewSpec:
    """Frames from ``begin`` on, padded where the clip ends."""

    def sample(lengths: Tensor, frames: int, noise: Noise) -> Tensor:
        at = begin + torch.arange(frames, dtype=torch.float64, device=lengths.device)
        return torch.where(at < lengths[:, None], at, -1.0)

    return ViewSpec(sample)


def test_frames_beyond_the_end_are_zeros_and_not_valid(prepared_toy: Path) -> None:
    dataset = open_dataset(prepared_toy)
    spec = ClipSpec(dataset.info.layout, 3, 2, 3, 30.0, "metre", window(0), window(0))
    source = ClipSource(dataset, torch.arange(3), spec)
    assert source.lengths.tolist() == [4, 4, 4]
    whole = source.batch(torch.arange(3), window(0), Noise(0))
    tail = source.batch(torch.arange(3), window(2), Noise(0))
    assert tail.valid[:, :2].all()
    assert not tail.valid[:, 2].any()
    assert not tail.tracks[:, 2].any()
    assert torch.equal(tail.tracks[:, 0], whole.tracks[:, 2])


def test_windows_laid_end_to_end_are_the_clip(prepared_toy: Path) -> None:
    dataset = open_dataset(prepared_toy)
    spec = ClipSpec(dataset.info.layout, 3, 2, 3, 30.0, "metre", window(0), window(0))
    source = ClipSource(dataset, torch.tensor([2]), spec)
    windows = [source.batch(torch.arange(1), window(begin), Noise(0)) for begin in (0, 3)]
    frames = torch.cat([batch.tracks[0][batch.valid[0]] for batch in windows])
    stored = torch.from_numpy(dataset.joints[dataset.track_offset[-1] :].copy())
    assert torch.equal(frames, stored)
