"""MCC after its description: a faster view of the same clip, and clips whose pieces change places."""

from __future__ import annotations

import pytest
import torch
from small_methods import Small, small

from sslskel.errors import UsageError
from sslskel.methods.mcc import MCC, MCCConfig, broken_order, played


def mcc(**options: float) -> tuple[Small, MCC]:
    made = small("mcc", **options)
    assert isinstance(made.method, MCC)
    return made, made.method


def test_a_clip_at_speed_one_is_the_clip_and_at_two_every_second_frame_of_it() -> None:
    batch = mcc()[0].views[0]
    assert torch.equal(played(batch, 1).tracks, batch.tracks)
    assert torch.equal(played(batch, 2).tracks, batch.tracks[:, ::2])
    assert torch.equal(played(batch, 3).valid, batch.valid[:, ::3])


def test_half_of_the_clips_are_broken_and_keep_their_frames() -> None:
    made, method = mcc()
    batch = made.views[0]
    mixed, chosen = method.broken(batch, made.noise.view(0).on(batch))
    assert int(chosen.sum()) == 3
    moved = (mixed.tracks != batch.tracks).flatten(1).any(1)
    assert torch.equal(moved, chosen[batch.owner])
    torch.testing.assert_close(mixed.tracks.sum(1), batch.tracks.sum(1))
    for row in moved.nonzero()[:, 0]:
        sums = [one.tracks[row].sum((1, 2)).sort().values for one in (mixed, batch)]
        assert torch.equal(*sums)
    assert torch.equal(mixed.valid.sum(1), batch.valid.sum(1))


def test_pieces_change_places_and_stay_whole() -> None:
    order = torch.tensor([[2, 0, 1], [0, 1, 2]])
    assert broken_order(7, 3, order).tolist() == [[5, 6, 0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5, 6]]


def test_no_draw_of_a_broken_clip_is_the_clip_itself() -> None:
    made, method = mcc(pieces=2)
    batch = made.views[0]
    mixed, chosen = method.broken(batch, made.noise.view(0).on(batch))
    assert torch.equal((mixed.tracks != batch.tracks).flatten(1).any(1), chosen[batch.owner])


def test_a_clip_finds_itself_at_its_own_speed() -> None:
    made, _ = mcc(speed=1, temperature=0.001)
    assert made.term("consistency").item() < 0.1
    assert mcc(speed=1, temperature=1.0)[0].term("consistency").item() > 0.5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"speed": 0}, "method.speed is 0; it must be at least 1"),
        ({"pieces": 1}, "method.pieces is 1; it must be at least 2"),
        ({"temperature": 0.0}, "method.temperature is 0.0; it must be a positive number"),
        ({"continuity": -1.0}, "method.continuity is -1.0; it must be a number from 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError) as fault:
        MCCConfig(**options)  # type: ignore[arg-type]
    assert words in str(fault.value)


def test_more_pieces_than_frames_are_refused() -> None:
    with pytest.raises(UsageError, match=r"method.pieces is 25, but a clip has 24 frames; lower it"):
        mcc(pieces=25)
