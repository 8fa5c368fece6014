"""Which clips a step sees: every clip once per epoch, whatever the start and the number of processes."""

import pytest
import torch

from sslskel.engine.sampler import EpochSampler
from sslskel.errors import UsageError


@pytest.mark.parametrize(("clips", "size", "drop", "steps"), [(22, 4, True, 5), (22, 4, False, 6), (20, 4, False, 5)])
def test_an_epoch_holds_every_clip_at_most_once(clips: int, size: int, drop: bool, steps: int) -> None:
    sampler = EpochSampler(clips, size, 7, drop)
    assert sampler.steps_per_epoch == steps
    for epoch in range(3):
        seen = torch.cat([sampler.batch(epoch * steps + step) for step in range(steps)]).tolist()
        assert len(set(seen)) == len(seen) == (steps * size if drop else clips)
        assert set(seen) <= set(range(clips))


def test_a_set_smaller_than_a_batch_is_one_batch() -> None:
    sampler = EpochSampler(3, 128, 0, drop_last=True)
    assert sampler.steps_per_epoch == 1
    assert sorted(sampler.batch(5).tolist()) == [0, 1, 2]


def test_order_depends_on_seed_and_epoch_and_on_nothing_before() -> None:
    one, other = EpochSampler(50, 10, 1, True), EpochSampler(50, 10, 1, True)
    late = other.batch(12).tolist()
    assert [one.batch(step).tolist() for step in range(13)][12] == late
    assert one.batch(0).tolist() != one.batch(5).tolist()
    assert one.batch(0).tolist() != EpochSampler(50, 10, 2, True).batch(0).tolist()


def test_the_global_generator_is_neither_read_nor_moved() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = EpochSampler(50, 10, 1, True).batch(0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert torch.equal(EpochSampler(50, 10, 1, True).batch(0), first)


@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_processes_hold_consecutive_parts_of_the_batch(world: int) -> None:
    sampler = EpochSampler(22, 4, 0, drop_last=False)
    for step in range(6):
        parts = [sampler.share(step, rank, world) for rank in range(world)]
        assert torch.equal(torch.cat(parts), sampler.batch(step))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("drop", [True, False])
def test_clips_are_counted_as_they_are_drawn(drop: bool) -> None:
    sampler = EpochSampler(22, 4, 0, drop)
    for step in range(14):
        assert sampler.clips_until(step) == sum(len(sampler.batch(i)) for i in range(step))


def test_nothing_to_train_on_is_refused() -> None:
    with pytest.raises(UsageError, match="no clip"):
        EpochSampler(0, 4, 0, True)
