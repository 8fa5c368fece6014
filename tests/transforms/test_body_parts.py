"""Mixes by body parts: each clip with another, every kind and part in turn, and parts that stay hidden for a chunk."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from sslskel.api.noise import Noise
from sslskel.api.skeleton import NTU25, PARTS, SkeletonLayout
from sslskel.config.groups import Fidelity
from sslskel.errors import DataError, UsageError
from sslskel.transforms.body_parts import Extent, MixPlan, mix_plan, topology_mask


def planned(frames: int, clips: int, fidelity: Fidelity, noise: Noise) -> MixPlan:
    """A mix of 2 or 3 parts over about half a clip."""
    units = frames // 4
    extent = Extent((2, 3), (round(units * 7 / 16), round(units * 11 / 16)))
    return mix_plan(NTU25, frames, clips, extent, noise, fidelity=fidelity)


quick = settings(max_examples=15, deadline=None, derandomize=True)


@quick
@given(
    seed=st.integers(0, 2**31),
    clips=st.integers(3, 9),
    chunks=st.integers(1, 9),
    fidelity=st.sampled_from(list(Fidelity)),
)
def test_a_plan_is_one_mix_of_each_clip_with_another(seed: int, clips: int, chunks: int, fidelity: Fidelity) -> None:
    frames = 8 * chunks
    plan = planned(frames, clips, fidelity, Noise(seed))
    rows = torch.arange(clips)
    assert sorted(plan.partner.tolist()) == rows.tolist()
    assert not bool((plan.partner == rows).any())
    if fidelity is Fidelity.released:
        assert not bool((plan.partner == (rows - 1) % clips).any())
    assert 0 <= float(plan.share) <= 1
    torch.testing.assert_close(plan.share, plan.weight.mean())
    assert plan.frame.shape == (frames,)
    assert 0 <= int(plan.frame.min()) <= int(plan.frame.max()) < frames
    same = plan.apply(torch.ones(2, 2, frames, 25, 3), torch.ones(2, 2, frames, 25, 3))
    torch.testing.assert_close(same, torch.ones_like(same))


def test_every_kind_partner_and_part_comes_up() -> None:
    plans = [planned(64, 4, Fidelity.paper, Noise(seed)) for seed in range(200)]
    assert {int(plan.partner[0]) for plan in plans} == {1, 2, 3}
    blends = sum(not bool(((plan.weight == 0) | (plan.weight == 1)).all()) for plan in plans)
    sped_up = sum(bool((plan.frame != torch.arange(64)).any()) for plan in plans)
    assert 30 < blends < 70
    assert 30 < sped_up < 70
    touched = torch.stack([plan.weight.amax(0) for plan in plans if float(plan.weight.min()) == 0]).amax(0)
    assert bool(touched.all())


@quick
@given(seed=st.integers(0, 2**31), ratio=st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.8, 1.0]), chunks=st.integers(1, 8))
def test_hidden_parts_stay_for_a_chunk(seed: int, ratio: float, chunks: int) -> None:
    hidden = topology_mask(NTU25, 8 * chunks, ratio, Noise(seed))
    parts = torch.stack([hidden[:, list(NTU25.part(part))].all(1) for part in PARTS], 1)
    some = torch.stack([hidden[:, list(NTU25.part(part))].any(1) for part in PARTS], 1)
    assert torch.equal(parts, some)
    assert parts.sum(1).tolist() == [int(5 * ratio)] * (8 * chunks)
    assert bool((parts.unflatten(0, (chunks, 8)) == parts[::8, None]).all())


def mask_without_parts() -> Tensor:
    lone = SkeletonLayout("lone", ("a", "b"), (-1, 0), 0, parts={"torso": (0, 1)})
    return topology_mask(lone, 64, 0.6, Noise(0))


@pytest.mark.parametrize(
    ("spoilt", "kind", "words"),
    [
        (mask_without_parts, DataError, "layout 'lone' does not define the body part 'left_arm'"),
        (lambda: topology_mask(NTU25, 30, 0.6, Noise(0)), UsageError, "clip.frames=30 is not a multiple of 8.*is: 32"),
        (lambda: topology_mask(NTU25, 64, 1.5, Noise(0)), UsageError, r"share of hidden parts is 1\.5"),
        (
            lambda: planned(64, 2, Fidelity.released, Noise(0)),
            UsageError,
            "mixing needs at least 3 clips in a step, but this one has 2; raise train.batch_size",
        ),
    ],
)
def test_what_cannot_be_mixed_or_hidden_is_refused(spoilt, kind: type[Exception], words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(kind, match=words):
        spoilt()
