"""Alignment in the common body: neither place, heading nor size of a body is left, and two persons stay together."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.common_body import COMMON_BODY
from sslskel.api.dataset import DatasetInfo
from sslskel.api.noise import Noise
from sslskel.config.groups import Body, ClipConfig
from sslskel.errors import DataError, UsageError
from sslskel.transforms.align import Align
from sslskel.transforms.clip import clip_spec

FRAMES = 6
INFO = DatasetInfo("two", 1, COMMON_BODY, ("a", "b"), 30.0, persons=2)
SPEC = clip_spec(INFO, ClipConfig(frames=FRAMES, body=Body.common))
WHOLE = Align(root=True, heading=True, size=True)


def two_persons() -> Batch:
    """Two clips; two persons in the first one."""
    generator = torch.Generator().manual_seed(0)
    tracks = torch.randn(3, FRAMES, COMMON_BODY.num_joints, 3, generator=generator, dtype=torch.float64)
    owner, clips = torch.tensor([0, 0, 1]), torch.arange(2)
    valid = torch.ones(3, FRAMES, dtype=torch.bool)
    return Batch(tracks, valid, owner, torch.tensor([0, 1, 0]), clips, clips, clips)


def aligned(batch: Batch, align: Align = WHOLE) -> Tensor:
    return align(batch, Noise(0), SPEC).tracks


def turned(tracks: Tensor, angle: float) -> Tensor:
    x, y, z = tracks.unbind(-1)
    return torch.stack([math.cos(angle) * x + math.sin(angle) * z, y, math.cos(angle) * z - math.sin(angle) * x], -1)


def joint(tracks: Tensor, name: str) -> Tensor:
    return tracks[:, :, COMMON_BODY.joint(name)]


def test_place_heading_and_size_of_a_clip_do_not_matter() -> None:
    batch = two_persons()
    moved = batch._replace(tracks=3.5 * turned(batch.tracks, 2.0) + torch.tensor([4.0, -2.0, 7.0]))
    assert torch.allclose(aligned(batch), aligned(moved), rtol=0, atol=1e-9)


def test_what_each_option_says_holds() -> None:
    batch = two_persons()
    first = [0, 2]
    hips = lambda tracks: (joint(tracks, "left_hip") + joint(tracks, "right_hip")) / 2  # noqa: E731
    shoulders = lambda tracks: (joint(tracks, "left_shoulder") + joint(tracks, "right_shoulder")) / 2  # noqa: E731
    rooted = aligned(batch, Align(root=True))
    assert hips(rooted)[first].abs().max() < 1e-12
    headed = aligned(batch, Align(heading=True))
    line = (joint(headed, "left_shoulder") - joint(headed, "right_shoulder"))[first].mean(1)
    assert line[:, 2].abs().max() < 1e-12
    assert (line[:, 0] > 0).all()
    sized = aligned(batch, Align(size=True))
    torsos = (shoulders(sized) - hips(sized)).norm(dim=-1)[first].mean(1)
    assert torch.allclose(torsos, torch.ones(2).double())


def test_persons_of_a_clip_stay_where_they_are_to_each_other() -> None:
    batch = two_persons()
    apart = [(tracks[1] - tracks[0]).norm(dim=-1) for tracks in (batch.tracks, aligned(batch, Align(True, True)))]
    assert torch.allclose(*apart)


def test_frames_without_a_person_stay_zero_and_do_not_count() -> None:
    batch = two_persons()
    gone = torch.tensor([True, True, False, False, True, False])
    valid = batch.valid.clone()
    valid[0] = gone
    cut = batch._replace(valid=valid, tracks=torch.where(valid[..., None, None], batch.tracks, 0.0))
    made = aligned(cut)
    assert (made[0, ~gone] == 0).all()
    assert torch.isfinite(made).all()
    # Where the first person is gone, the second keeps the origin of the frame before.
    rooted, before = aligned(cut, Align(root=True)), batch.tracks
    shift = (before - rooted)[1, :, 0]
    assert torch.allclose(shift[2], shift[1])
    assert torch.allclose(shift[5], shift[4])
    late = cut._replace(valid=valid.index_fill(1, torch.tensor([0]), False))
    assert torch.isfinite(aligned(late)).all()


def test_options_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match=r"need the joints of clip\.body=common"):
        ClipConfig(align_root=True)
    with pytest.raises(UsageError, match=r"clip\.fps is -3"):
        ClipConfig(fps=-3)
    from sslskel.config.groups import Centre

    with pytest.raises(UsageError, match="choose one"):
        ClipConfig(body=Body.common, align_size=True, centre=Centre.sized)
    flat = clip_spec(DatasetInfo("flat", 1, COMMON_BODY, ("a", "b"), 30.0, coordinates=2), ClipConfig())
    batch = two_persons()
    with pytest.raises(DataError, match=r"clip\.align_heading needs 3D"):
        Align(heading=True)(batch._replace(tracks=batch.tracks[..., :2]), Noise(0), flat)
