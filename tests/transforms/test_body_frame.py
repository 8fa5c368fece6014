"""Padded clips: which frames are read, what a gap does, and stretches in time. Numbers: the recorded GL-Transformer."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from undrawn_clips import undrawn

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise, ReplayNoise
from sslskel.api.skeleton import COCO17, NTU25
from sslskel.errors import DataError, UsageError
from sslskel.transforms.body_frame import BodyFrame, Stretch, chest, shoulder
from sslskel.transforms.clip import FirstFrames

CLIP = undrawn(NTU25, frames=12)


def clips(frames: int = 10) -> Batch:
    """A clip of two persons, the second seen from frame 2 on, and one of one person; padded to 12 frames."""
    rows = Noise(0).normal("joints", (3, 12, 25, 3), "batch", torch.float64)
    valid = torch.zeros(3, 12, dtype=torch.bool)
    valid[:, :frames] = True
    valid[1, :2] = False
    rows = rows * valid[..., None, None]
    owner, slot = torch.tensor([0, 0, 1]), torch.tensor([0, 1, 0])
    nothing = torch.full((2,), -1)
    return Batch(rows, valid, owner, slot, torch.tensor([7, 8]), nothing, nothing)


def test_frames_are_read_as_they_are_and_cut_or_padded() -> None:
    at = FirstFrames()(torch.tensor([3, 9]), 5, Noise(0))
    assert at.tolist() == [[0, 1, 2, -1, -1], [0, 1, 2, 3, 4]]


def test_the_joints_of_a_body_are_found_by_its_parts() -> None:
    assert (chest(NTU25), shoulder(NTU25, "left"), shoulder(NTU25, "right")) == (20, 4, 8)
    assert chest(dataclasses.replace(NTU25, parts={})) == NTU25.centre
    assert COCO17.joints[shoulder(COCO17, "right")] == "right_shoulder"
    with pytest.raises(DataError, match="does not define the body part 'left_arm'"):
        shoulder(dataclasses.replace(NTU25, parts={}), "left")


def test_shoulders_lie_along_x_and_the_chest_holds_its_way() -> None:
    batch = clips()
    # One faces one way in all frames, the other one the other way.
    batch.tracks[0, :10, 8, 2] += 9
    batch.tracks[1, 2:10, 8, 2] -= 9
    seen = BodyFrame()(batch, Noise(0), CLIP)
    line = (seen.tracks[:, :, 8] - seen.tracks[:, :, 4])[:2][batch.valid[:2]]
    assert line[:, 2].abs().max() < 0.1 * line[:, 0].min()
    assert (line[:, 0] > 0).all()
    # A turn keeps distances from the chest, which is the origin.
    apart = (batch.tracks[:, :, 3] - batch.tracks[:, :, 20]).norm(dim=-1)
    torch.testing.assert_close(seen.tracks[:, :10, 3].norm(dim=-1), apart[:, :10])
    assert not seen.tracks[:, 0, 20].any()
    assert seen.valid.tolist() == [[True] * 10 + [False] * 2] * 3
    assert not seen.tracks[:, 10:].any()


def test_a_gap_cuts_the_end_or_stays() -> None:
    batch = clips()
    batch.valid[0, 4:7] = False
    assert BodyFrame()(batch, Noise(0), CLIP).valid.sum(1).tolist() == [7, 7, 10]
    assert BodyFrame(keeps_gaps=True)(batch, Noise(0), CLIP).valid.sum(1).tolist() == [10, 10, 10]


def test_flat_clips_are_refused() -> None:
    with pytest.raises(UsageError, match="needs 3D coordinates"):
        BodyFrame()(clips(), Noise(0), undrawn(NTU25, coordinates=2))


def test_a_stretch_moves_all_persons_of_a_clip_alike() -> None:
    batch = BodyFrame()(clips(), Noise(0), CLIP)
    noise = ReplayNoise({"stretch.sign": torch.tensor([0.9, 0.1]), "stretch.ratio": torch.tensor([0.5, 1.0])})
    changed = Stretch(0.4)(batch, noise, CLIP)
    assert changed.valid.sum(1).tolist() == [8, 8, 12]
    torch.testing.assert_close(changed.tracks[2, 0], batch.tracks[2, 0])
    # Ten frames become eight: the second lies at 1.5 * 10 / 8 - 0.5.
    torch.testing.assert_close(changed.tracks[0, 1], batch.tracks[0, 1] * 0.625 + batch.tracks[0, 2] * 0.375)
    same = Stretch(0.0)(batch, Noise(3), CLIP)
    torch.testing.assert_close(same.tracks, batch.tracks)
    with pytest.raises(UsageError, match="amount of a stretch"):
        Stretch(1.0)
