"""Keyed noise: what a draw depends on, what it must not depend on, and its distribution."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise, Per, ReplayNoise, Seal
from sslskel.errors import UsageError
from sslskel.hashing import stable_id


def batch(keys: list[int], owner: list[int] | None = None, slot: list[int] | None = None) -> Batch:
    """Clips with these keys; one person each unless owners and slots say otherwise."""
    owner = list(range(len(keys))) if owner is None else owner
    slot = [0] * len(owner) if slot is None else slot
    rows = len(owner)
    return Batch(
        torch.zeros(rows, 1, 1, 3),
        torch.ones(rows, 1, dtype=torch.bool),
        torch.tensor(owner),
        torch.tensor(slot),
        torch.tensor(keys),
        torch.full((len(keys),), -1),
        torch.arange(len(keys)),
    )


MANY = batch(list(range(7, 7 + 20_000)))


@pytest.mark.parametrize(("per", "rows"), [("person", (3,)), ("clip", (2,)), ("batch", ())])
@pytest.mark.parametrize("shape", [(), (4,), (2, 5)])
def test_shapes_of_every_kind_of_draw(per: Per, rows: tuple[int, ...], shape: tuple[int, ...]) -> None:
    noise = Noise(0, 1).on(batch([5, 6], [0, 0, 1], [0, 1, 0]))
    assert noise.uniform("a", shape, per).shape == (*rows, *shape)
    assert noise.normal("a", shape, per).shape == (*rows, *shape)
    assert noise.integers("a", 9, shape, per).shape == (*rows, *shape)
    assert noise.permutation("a", 6, shape, per).shape == (*rows, *shape, 6)


def test_a_draw_does_not_depend_on_the_rest_of_the_batch() -> None:
    whole = Noise(3, 4).on(batch([11, 22, 33], [0, 1, 1, 2], [0, 0, 1, 0]))
    other = Noise(3, 4).on(batch([33, 22], [0, 1, 1], [0, 0, 1]))
    torch.testing.assert_close(whole.uniform("mask", (50,))[[3, 1, 2]], other.uniform("mask", (50,)), rtol=0, atol=0)
    torch.testing.assert_close(
        whole.normal("crop", (2,), "clip")[[2, 1]], other.normal("crop", (2,), "clip"), rtol=0, atol=0
    )
    assert torch.equal(whole.uniform("mix", (3,), "batch"), other.uniform("mix", (3,), "batch"))
    assert torch.equal(whole.uniform("mix", (3,), "batch"), Noise(3, 4).uniform("mix", (3,), "batch"))


def test_seed_step_view_site_key_and_slot_all_matter() -> None:
    one, two = batch([11]), batch([11], [0, 0], [0, 1])
    draws = [
        Noise(0, 0).on(one).uniform("a", (4,)),
        Noise(1, 0).on(one).uniform("a", (4,)),
        Noise(0, 1).on(one).uniform("a", (4,)),
        Noise(0, 0).view(0).on(one).uniform("a", (4,)),
        Noise(0, 0).view(1).on(one).uniform("a", (4,)),
        Noise(0, 0).on(one).uniform("b", (4,)),
        Noise(0, 0).on(batch([12])).uniform("a", (4,)),
        Noise(0, 0).on(two).uniform("a", (4,))[1:],
        Noise(0, 0).on(one).uniform("a", (4,), "clip"),
    ]
    distinct = torch.cat(draws)
    assert len(distinct.unique()) == distinct.numel()
    assert torch.equal(draws[0], Noise(0, 0).on(two).uniform("a", (4,))[:1])


def test_the_same_numbers_in_both_precisions_and_as_tensors() -> None:
    noise = Noise(torch.tensor(5), torch.tensor(6)).on(MANY)
    assert torch.equal(noise.uniform("a"), Noise(5, 6).on(MANY).uniform("a"))
    assert torch.equal(noise.uniform("a").double(), noise.uniform("a", dtype=torch.float64))


def spread(sample: Tensor) -> float:
    """How far, in standard errors, the mean of (n,) samples of unit variance may stray: 5."""
    return 5 / math.sqrt(sample.numel())


@pytest.mark.parametrize("seed", range(3))
def test_draws_have_the_distribution_they_claim(seed: int) -> None:
    noise = Noise(seed, seed).on(MANY)
    for sample in (noise.uniform("a", (3,)), noise.uniform("a", (3,), "clip")):
        unit = (sample.double() - 0.5) * math.sqrt(12)
        assert 0 <= sample.min() < sample.max() < 1
        assert abs(unit.mean()) < spread(unit)
        assert abs(unit.square().mean() - 1) < 3 * spread(unit)
        assert abs((unit[1:] * unit[:-1]).mean()) < spread(unit), "neighbouring keys"
        assert abs((unit[:, 1:] * unit[:, :-1]).mean()) < 1.5 * spread(unit), "neighbouring lanes"
    normal = noise.normal("a", (3,)).double()
    assert abs(normal.mean()) < spread(normal)
    assert abs(normal.square().mean() - 1) < 3 * spread(normal)
    assert abs(normal.pow(4).mean() - 3) < 15 * spread(normal)
    assert torch.isfinite(normal).all()


def test_steps_are_independent_at_batch_level() -> None:
    draws = torch.stack([Noise(0, step).uniform("shift", per="batch") for step in range(2000)]).double()
    unit = (draws - 0.5) * math.sqrt(12)
    assert abs(unit.mean()) < spread(unit)
    assert abs((unit[1:] * unit[:-1]).mean()) < spread(unit)


def test_integers_fill_their_range_and_take_a_range_per_item() -> None:
    noise = Noise(1).on(MANY)
    counts = torch.bincount(noise.integers("a", 5), minlength=5)
    assert len(counts) == 5
    assert (counts - 4000).abs().max() < 5 * math.sqrt(20_000 * 0.2 * 0.8)
    high = torch.arange(1, 20_001)
    drawn = noise.integers("b", high, per="clip")
    assert (drawn >= 0).all()
    assert (drawn < high).all()


def test_permutations_are_orders_and_all_are_as_likely() -> None:
    orders = Noise(2).on(MANY).permutation("a", 3)
    assert torch.equal(orders.sort(-1).values, torch.arange(3).expand(20_000, 3))
    counts = torch.bincount(orders[:, 0] * 9 + orders[:, 1] * 3 + orders[:, 2])
    counts = counts[counts > 0]
    assert len(counts) == 6
    assert (counts - 20_000 / 6).abs().max() < 5 * math.sqrt(20_000 / 6)


def test_nothing_touches_the_global_generator() -> None:
    before = torch.get_rng_state()
    noise = Noise(0).on(batch([1]))
    noise.uniform("a")
    noise.normal("a")
    noise.integers("a", 3)
    noise.permutation("a", 4)
    assert torch.equal(before, torch.get_rng_state())


def test_per_item_draws_without_a_batch_are_refused() -> None:
    with pytest.raises(UsageError, match=r"noise\.on\(batch\)"):
        Noise(0).uniform("a")


def test_stable_ids_are_the_same_for_ever_and_keep_words_apart() -> None:
    assert stable_id("utd_mhad", "a1_s1_t1") == 3065298195079118796
    assert stable_id("ab", "c") != stable_id("a", "bc")
    assert 0 <= stable_id("x") < 2**63


def test_recorded_draws_come_back_in_order_and_end_with_an_error() -> None:
    noise = ReplayNoise({"mask": torch.tensor([0.5]), "shift": [torch.tensor(3), torch.tensor(1)]})
    bound = noise.view(1).on(batch([1]))
    assert bound.uniform("mask").tolist() == [0.5]
    assert [int(bound.integers("shift", 4)) for _ in range(2)] == [3, 1]
    with pytest.raises(UsageError, match="'shift'"):
        bound.integers("shift", 4)
    with pytest.raises(UsageError, match="'other'"):
        bound.normal("other")


def test_numbers_stay_what_they_were() -> None:
    noise = Noise(1, 2).on(batch([2**62 + 12345, -7]))
    assert noise.view(1).uniform("a", (3,), "clip", torch.float64).tolist() == [
        [0.2550196051597595, 0.8839408755302429, 0.5299885272979736],
        [0.504029393196106, 0.8935962319374084, 0.21733534336090088],
    ]
    assert noise.permutation("c", 6, per="batch").tolist() == [3, 1, 4, 0, 2, 5]


@pytest.mark.parametrize("per", ["person", "clip", "batch"])
@pytest.mark.filterwarnings("error")
def test_small_and_large_draws_are_the_same_numbers(per: Per, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = Noise(-3, 2**40).view(2).on(batch([5, -(2**63)], [0, 0, 1], [0, 1, 0]))
    small = noise.normal("a", (2, 7), per)
    monkeypatch.setattr("sslskel.api.noise.SMALL", -1)
    assert torch.equal(noise.normal("a", (2, 7), per), small)


STEP = torch.arange(1000, 1012)


@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
def test_draws_of_a_step_lie_one_in_each_part(shape: tuple[int, ...]) -> None:
    noise = Noise(3, 4).over(STEP).on(batch(STEP.tolist()))
    draws = noise.stratified("ratio", shape)
    assert draws.shape == (12, *shape)
    assert draws.dtype is torch.float32
    count = draws.numel()
    assert sorted((draws.double() * count).long().flatten().tolist()) == list(range(count))
    assert not torch.equal(draws.flatten(), draws.flatten().sort().values), "in random order"
    assert torch.equal(torch.bincount((noise.stratified("pattern") * 4).long()), torch.tensor([3, 3, 3, 3]))


def test_a_clip_has_the_same_draw_on_any_process() -> None:
    whole = Noise(3, 4).over(STEP)
    together = whole.on(batch(STEP.tolist())).view(1).stratified("ratio", (2,), torch.float64)
    for part in (STEP[:5], STEP[5:], STEP[[7, 2]]):
        alone = whole.on(batch(part.tolist())).view(1).stratified("ratio", (2,), torch.float64)
        assert torch.equal(alone, together[part - 1000])
    shuffled = Noise(3, 4).over(STEP.flip(0)).view(1).on(batch(STEP.tolist()))
    assert torch.equal(shuffled.stratified("ratio", (2,), torch.float64), together)


def test_draws_of_a_step_change_with_step_view_and_site_and_within_their_part() -> None:
    bound = batch(STEP.tolist())
    noises = [Noise(0, step).over(STEP).on(bound) for step in range(400)]
    draws = torch.stack([noise.stratified("a") for noise in noises])
    assert draws.mean(0).sub(0.5).abs().max() < 0.08, "each clip gets every part"
    inside = draws.double() * 12 % 1
    assert abs(float(inside.mean()) - 0.5) < 0.02
    others = (noises[0].stratified("b"), noises[0].view(1).stratified("a"), noises[1].stratified("a"))
    assert all(not torch.equal(draws[0], other) for other in others)


def test_a_draw_that_is_spread_over_a_step_needs_one() -> None:
    with pytest.raises(UsageError, match="'ratio' was to be spread over a step's clips, but is of no step"):
        Noise(0).on(batch([1, 2])).stratified("ratio")
    with pytest.raises(UsageError, match="per clip was asked for before"):
        Noise(0).over(STEP).stratified("ratio")
    assert ReplayNoise({"ratio": torch.tensor([0.5])}).over(STEP).stratified("ratio").tolist() == [0.5]


def test_sealed_keys_are_others_and_noise_that_is_sealed_draws_as_for_the_keys() -> None:
    seal = Seal("any")
    keys = torch.tensor([0, 1, 2, -1, 2**62, -(2**63), stable_id("a", "b")])
    closed = seal.close(keys)
    assert torch.equal(seal.open(closed), keys)
    assert closed[0] == 0
    assert not (closed[1:] == keys[1:]).any()
    assert not torch.equal(Seal("other").close(keys)[1:], closed[1:])
    clips = batch(keys.tolist())
    sealed = clips._replace(key=closed)
    for per in ("person", "clip"):
        plain = Noise(3, 4).view(1).on(clips).uniform("a", (5,), per)
        assert torch.equal(Noise(3, 4).sealed(seal).view(1).on(sealed).uniform("a", (5,), per), plain)
        assert torch.equal(Noise(3, 4).sealed(seal).sealed(None).view(1).on(clips).uniform("a", (5,), per), plain)
        assert not torch.equal(Noise(3, 4).view(1).on(sealed).uniform("a", (5,), per), plain)
    spread = Noise(3, 4).over(keys)
    assert torch.equal(spread.sealed(seal).on(sealed).stratified("s"), spread.on(clips).stratified("s"))


FULL = (1 << 64) - 1


def mixed(x: int) -> int:
    """The finaliser of splitmix64, in Python's own whole numbers."""
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & FULL
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & FULL
    return x ^ (x >> 31)


def plainly(number: int, key: int, slot: int, site: str, lane: int) -> int:
    """64 bits of one draw of a person, counted from 0, of seed 11 and step 5."""
    golden = 0x9E3779B97F4A7C15
    base = mixed((mixed((1 + 11 * golden) & FULL) + 5 * golden) & FULL)
    item = mixed((key + (slot + 1) * golden) & FULL)
    start = (mixed((base + stable_id(site, str(lane))) & FULL) + mixed((item * golden + 1) & FULL)) & FULL
    return mixed((mixed(start) + (number + 1) * golden) & FULL)


@pytest.mark.parametrize("count", [4, 40_000])
def test_draws_are_the_same_whether_few_or_many_are_made_at_once(count: int) -> None:
    """Few on arrays, many in blocks: both as written out above, to the last bit."""
    drawn, some = batch([11, 22, 33], [0, 1, 1, 2], [0, 0, 1, 0]), [0, 1, count // 2, count - 1]
    noise = Noise(11, 5).on(drawn)
    uniform, normal = noise.uniform("u", (count,)), noise.normal("n", (count,))
    assert torch.equal(noise.uniform("u", (count,), dtype=torch.float64), uniform.double())
    for row, (owner, slot) in enumerate(zip(drawn.owner.tolist(), drawn.slot.tolist(), strict=True)):
        key = int(drawn.key[owner])
        tops = [
            [plainly(one, key, slot, site, lane) >> 40 for one in some] for site, lane in (("u", 0), ("n", 1), ("n", 2))
        ]
        plain, radius, angle = (torch.tensor(top, dtype=torch.float32) for top in tops)
        assert torch.equal(uniform[row, some], plain * 2.0**-24)
        wanted = torch.sqrt(-2 * torch.log((radius + 1) * 2.0**-24)) * torch.cos(angle * (2.0**-24 * 2 * math.pi))
        torch.testing.assert_close(normal[row, some], wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("per", ["person", "clip", "batch"])
def test_draws_of_half_precision_are_those_of_float32_rounded(per: Per) -> None:
    noise = Noise(3).on(batch([5, 6], [0, 0, 1], [0, 1, 0]))
    usual = noise.uniform("h", (5,), per)
    assert torch.equal(noise.uniform("h", (5,), per, torch.bfloat16), usual.to(torch.bfloat16))
    assert torch.equal(noise.uniform("h", (5,), per), usual)
