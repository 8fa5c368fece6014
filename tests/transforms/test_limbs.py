"""Augmentations of bodies: what stays at its place, shorter bones, other tempo, joints from bones."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise, ReplayNoise
from sslskel.api.skeleton import NTU25
from sslskel.checks.fixtures import dataset_info, make_spec
from sslskel.transforms.augment import ShearRound
from sslskel.transforms.augment_time import Tempo
from sslskel.transforms.clip import bone
from sslskel.transforms.limbs import ShortBones, from_bones

ROOT = NTU25.parents.index(-1)


def randn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def one_clip(frames: int = 24) -> Batch:
    return Batch.from_dense(randn(1, 3, frames, 25, 1))


def test_the_root_is_not_sheared() -> None:
    spec, batch = make_spec(dataset_info(NTU25), 24), one_clip()
    after = ShearRound(0.5)(batch, Noise(0), spec).tracks
    assert torch.equal(after[:, :, ROOT], batch.tracks[:, :, ROOT])
    assert not torch.isclose(after, batch.tracks).all(3)[:, :, :ROOT].any()


@pytest.mark.parametrize(("ratio", "length"), [(0.0, 12), (0.5, 24), (0.9, 24)])
def test_tempo(ratio: float, length: int) -> None:
    spec, batch = make_spec(dataset_info(NTU25), 24), one_clip()
    line = torch.arange(24.0, dtype=torch.float64)[None, :, None, None].expand_as(batch.tracks) + 1
    draws = {"tempo.chance": torch.zeros(1), "tempo.ratio": torch.tensor([ratio], dtype=torch.float64)}
    after = Tempo()(batch._replace(tracks=line), ReplayNoise(draws), spec)
    assert after.valid.sum() == length
    assert not after.tracks[:, length:].any()
    steps = after.tracks[0, 1:length, 0, 0].diff()[1:-1]
    torch.testing.assert_close(steps, torch.full_like(steps, 24 / int((0.5 + ratio) * 24)))
    draws = {"tempo.chance": torch.full((1,), 0.9), "tempo.ratio": torch.zeros(1)}
    assert torch.equal(Tempo()(batch, ReplayNoise(draws), spec).tracks, batch.tracks)


def test_bones_become_shorter() -> None:
    spec, batch = make_spec(dataset_info(NTU25), 24), one_clip()
    after = ShortBones()(batch, Noise(0), spec).tracks
    share = bone(after, NTU25).norm(dim=-1) / bone(batch.tracks, NTU25).norm(dim=-1).clamp(min=1e-9)
    assert float(share.max()) <= 0.5 + 1e-9
    torch.testing.assert_close(share, share[:, :1].expand_as(share))
    assert torch.equal(after[:, :, ROOT], batch.tracks[:, :, ROOT])


def test_joints_are_put_together_from_their_bones() -> None:
    joints = randn(2, 25, 3)
    torch.testing.assert_close(from_bones(joints, bone(joints, NTU25), NTU25), joints)
