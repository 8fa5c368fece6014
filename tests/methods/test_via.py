"""ViA after its description: codes of motion and performer, and clips with another performer."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from small_methods import Small, small

from sslskel.errors import UsageError
from sslskel.methods.via import ViA, ViAConfig


def via(**options: Any) -> tuple[Small, ViA]:
    made = small("via", **options)
    assert isinstance(made.method, ViA)
    return made, made.method


def test_retargeting_a_clip_to_itself_is_rebuilding_it() -> None:
    made, _ = via(turn=0.0, size=0.0, dtype=torch.float64)
    torch.testing.assert_close(made.term("retarget"), made.term("rebuild"), rtol=0, atol=1e-12)
    assert made.term("motion").item() < 1e-20
    other, _ = via(dtype=torch.float64)
    assert abs(other.term("retarget").item() - other.term("rebuild").item()) > 1e-8
    assert other.term("motion").item() > 1e-12


def test_another_performer_moves_alike_turned_and_of_another_size() -> None:
    made, method = via(size=0.3)
    batch = made.views[0]
    other = method.other_performer(batch, made.noise.view(0))
    assert torch.equal(other.valid, batch.valid)
    before, after = (torch.cdist(one.tracks, one.tracks) for one in (batch, other))
    factor = after.sum((1, 2, 3)) / before.sum((1, 2, 3))
    torch.testing.assert_close(after, before * factor[:, None, None, None], rtol=1e-3, atol=1e-3)
    assert float((factor - 1).abs().max()) <= 0.3 + 1e-4
    assert len(factor.round(decimals=4).unique()) == len(batch.owner.unique()) == 6
    assert not torch.allclose(other.tracks, batch.tracks * factor[:, None, None, None], atol=0.1)


def test_a_clip_with_another_performer_has_its_motion_and_the_others_static_code() -> None:
    made, method = via()
    batch = made.views[0]
    other = method.other_performer(batch, made.noise.view(0))
    ours, theirs = (method.codes(one, made.noise.view(0)) for one in (batch, other))
    wanted = method.together(theirs.motion, ours.static), method.together(ours.motion, theirs.static)
    term = method.error(wanted, (batch, other), 1.0)
    torch.testing.assert_close(made.term("retarget"), term.total / term.count)


def test_frames_without_the_person_count_for_nothing() -> None:
    made, method = via()
    valid = made.views[0].valid.clone()
    valid[:, 5:] = False
    batch = made.views[0]._replace(tracks=torch.zeros_like(made.views[0].tracks), valid=valid)
    off = torch.full_like(method.tower.tracks(batch), 9.0)
    off[:, :5] = 2.0
    term = method.error((off, off), (batch, batch), 1.0)
    assert (term.total / term.count).item() == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"turn": 4.0}, "method.turn is 4.0; it must be in [0, pi]"),
        ({"size": 1.0}, "method.size is 1.0; it must be in [0, 1)"),
        ({"motion_dim": 0}, "method.motion_dim is 0; it must be at least 1"),
        ({"keep": -math.inf}, "method.keep is -inf; it must be a number from 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError) as fault:
        ViAConfig(**options)  # type: ignore[arg-type]
    assert words in str(fault.value)
