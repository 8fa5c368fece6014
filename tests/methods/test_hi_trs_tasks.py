"""What Hi-TRS hides and reorders, for sequences that the recordings do not have: short, still, of different lengths."""

from __future__ import annotations

import torch
from replays import made

from sslskel.api.batch import Batch
from sslskel.api.method import Progress
from sslskel.api.noise import Noise
from sslskel.methods.hi_trs.tasks import Tasks, make_tasks
from sslskel.nn.windows import Windows
from sslskel.transforms.clip import WholeClip
from sslskel.transforms.place_and_time import PlaceAndTime

CUT = Windows(7, 7, 2)


def sequences(*lengths: int, frames: int = 64) -> Batch:
    """Moving sequences, each a clip of one person."""
    at = torch.arange(len(lengths))
    valid = torch.arange(frames) < torch.tensor(lengths)[:, None]
    joints = Noise(0).normal("x", (len(lengths), frames, 25, 3), "batch", torch.float64) * valid[..., None, None]
    nothing = torch.full_like(at, -1)
    return Batch(joints, valid, at, at * 0, at + 5, nothing, nothing)


def tasks_of(batch: Batch, step: int = 0) -> Tasks:
    return make_tasks(batch.tracks, batch.valid, CUT, 0.15, Noise(1, step).on(batch))


def test_exchanged_windows_are_two_apart_and_what_is_missing_stays_in_place() -> None:
    batch = sequences(64, 40, 21, 14, 5)
    for step in range(20):
        tasks = tasks_of(batch, step)
        assert tasks.windows.tolist() == [9, 5, 2, 1, 0]
        for order, count in zip(tasks.order.tolist(), tasks.windows.tolist(), strict=True):
            moved = [at for at, window in enumerate(order) if window != at]
            assert sorted(order) == list(range(9))
            assert len(moved) == (2 if count >= 2 else 0)
            assert all(at < count for at in moved)
            assert not moved or moved[1] - moved[0] >= (2 if count > 2 else 1)


def test_the_pair_of_windows_moves_and_differs_in_two_frames() -> None:
    batch = sequences(40, 40)
    # Nothing moves but in the middle of the second.
    batch.tracks[0] = 0
    batch.tracks[1, :20] = batch.tracks[1, 30:40] = 0
    tasks = tasks_of(batch._replace(tracks=batch.tracks))
    assert tasks.moves.tolist() == [False, True]
    shown = tasks.wanted[1, tasks.window[1, 0]]
    assert (shown[1:] != shown[:-1]).any()
    assert (tasks.window[1, 0] != tasks.window[1, 1]).sum() == 2


def test_hidden_joints_are_a_share_and_of_real_frames() -> None:
    batch = sequences(60, 30)
    tasks = tasks_of(batch)
    real = torch.nn.functional.pad(batch.valid, (6, 6))[..., None]
    assert not (tasks.asked & ~real).any()
    assert 0.12 < float(tasks.asked.sum() / (real.sum() * 25)) < 0.18
    hidden = (tasks.shown == 1).all(3)
    changed = (tasks.shown != tasks.wanted).any(3)
    assert not (changed & ~tasks.asked).any()
    assert 0.7 < float(hidden.sum() / tasks.asked.sum()) < 0.9
    assert 0.85 < float(changed.sum() / tasks.asked.sum()) < 0.95


def test_a_sequence_has_the_frames_of_its_clip_and_may_lose_a_fifth() -> None:
    batch = sequences(50, 30)._replace(owner=torch.zeros(2, dtype=torch.int64), slot=torch.arange(2))
    batch = batch._replace(**{name: getattr(batch, name)[:1] for name in ("key", "label", "position")})
    clip = made("hi_trs", "backbone.width=4", "backbone.layers=1", "clip.frames=64").method.clip
    whole = WholeClip()(batch, Noise(0), clip)
    assert whole.valid.sum(1).tolist() == [50, 50]
    assert torch.equal(PlaceAndTime(0.0)(whole, Noise(0), clip).tracks, whole.tracks)
    lengths = {int(n) for step in range(30) for n in PlaceAndTime(1.0)(whole, Noise(0, step), clip).valid.sum(1)}
    assert min(lengths) >= 40
    assert max(lengths) == 50
    assert len(lengths) > 4


def test_a_step_of_which_nothing_moves_is_finite() -> None:
    method = made("hi_trs", "backbone.width=4", "backbone.layers=1", "clip.frames=64", "backbone.dropout=0").method
    still = sequences(64, 64)
    still.tracks[:] = 0
    output = method.double()([still], Noise(0), Progress(0, 1, 1))
    assert float(output.terms["frame_order"].total.detach()) == 0
    assert torch.isfinite(output.loss())
