"""Centring: where the origin goes, and what it must not touch."""

from __future__ import annotations

import torch

from sslskel.api.batch import Batch
from sslskel.api.dataset import DatasetInfo
from sslskel.api.noise import Noise
from sslskel.api.skeleton import NTU25
from sslskel.config.groups import Centre, ClipConfig
from sslskel.transforms.clip import CentreFirst, clip_spec

SPEC = clip_spec(DatasetInfo("x", 1, NTU25, ("a",), 30.0, persons=2), ClipConfig(frames=8, centre=Centre.first))


def clips() -> Batch:
    dense = torch.randn(3, 3, 8, 25, 2, generator=torch.Generator().manual_seed(0)) + 5
    dense[0, ..., 1] = 0
    dense[1, :, :3, :, 0] = 0
    return Batch.from_dense(dense)


def test_first_person_starts_at_the_origin_and_distances_stay() -> None:
    batch = clips()
    moved = CentreFirst()(batch, Noise(0), SPEC)
    for row, frame in ((0, 0), (1, 3), (3, 0)):
        assert (moved.tracks[row, frame, NTU25.centre] == 0).all()
    between = batch.tracks[2, 5] - batch.tracks[1, 5]
    torch.testing.assert_close(moved.tracks[2, 5] - moved.tracks[1, 5], between)


def test_frames_without_a_person_stay_zero() -> None:
    moved = CentreFirst()(clips(), Noise(0), SPEC)
    assert (moved.tracks[1, :3] == 0).all()


def test_a_shifted_clip_gives_the_same_view() -> None:
    batch = clips()
    there = (batch.tracks != 0).flatten(2).any(-1)[..., None, None]
    shifted = batch._replace(tracks=batch.tracks + there * torch.tensor([3.0, -1.0, 2.0]))
    one, other = (CentreFirst()(b, Noise(0), SPEC).tracks for b in (batch, shifted))
    torch.testing.assert_close(one, other, atol=2e-6, rtol=0)


def test_no_person_is_no_fault() -> None:
    empty = Batch.from_dense(torch.zeros(2, 3, 8, 25, 2))
    assert CentreFirst()(empty, Noise(0), SPEC).num_clips == 2


def test_it_comes_before_rotation_and_only_where_asked() -> None:
    assert isinstance(SPEC.train_view.augment[0], CentreFirst)
    assert isinstance(SPEC.test_view.augment[0], CentreFirst)
    stored = clip_spec(DatasetInfo("x", 1, NTU25, ("a",), 30.0), ClipConfig(frames=8))
    assert not any(isinstance(augment, CentreFirst) for augment in stored.test_view.augment)
