"""What holds for every batched augmentation, on any body and any draw."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from undrawn_clips import undrawn

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.api.skeleton import PARTS, SkeletonLayout
from sslskel.api.view import Augment, ClipSpec
from sslskel.config.groups import Fidelity
from sslskel.errors import DataError, UsageError
from sslskel.transforms.augment import (
    AxisMask,
    Either,
    FillPersons,
    Flip,
    GaussianNoise,
    JointCorruption,
    Shear,
    TiltRotation,
    either_of,
)
from sslskel.transforms.augment_time import GaussianBlur, PadCrop, TimeFlip

FRAMES = 16
SIMPLE: dict[str, Augment] = {
    "shear": Shear(),
    "corruption": JointCorruption(),
    "flip": Flip(),
    "tilt": TiltRotation(),
    "noise": GaussianNoise(),
    "axis": AxisMask(),
    "reversal": TimeFlip(),
    "blur": GaussianBlur(),
    "paper blur": GaussianBlur(Fidelity.paper),
    "either": Either(JointCorruption(), Shear()),
    "shear, per batch": Shear(per="batch"),
    "flip, per batch": Flip(per="batch"),
    "tilt, per batch": TiltRotation(per="batch"),
}
quick = settings(max_examples=15, deadline=None, derandomize=True)


def body(joints: int) -> SkeletonLayout:
    """A body whose joints are dealt out to the five parts, each with the next as its other side."""
    parts = {part: tuple(range(at, joints, len(PARTS))) for at, part in enumerate(PARTS)}
    pairs = tuple((left, left + 1) for left in range(1, joints - 1, 2))
    names = tuple(f"joint {at}" for at in range(joints))
    return SkeletonLayout("body", names, (-1, *range(joints - 1)), 0, pairs, parts)


def spec(layout: SkeletonLayout, coordinates: int = 3, frames: int = FRAMES) -> ClipSpec:
    return undrawn(layout, frames, coordinates=coordinates)


def batch(persons: list[int], joints: int = 13, coordinates: int = 3) -> Batch:
    """Clips of so many persons each, everything different."""
    owner = torch.tensor([clip for clip, count in enumerate(persons) for _ in range(count)], dtype=torch.int64)
    slot = torch.tensor([slot for count in persons for slot in range(count)], dtype=torch.int64)
    shape = (len(owner), FRAMES, joints, coordinates)
    tracks = Noise(7).normal("tracks", shape, "batch", torch.float64)
    keys = torch.arange(len(persons)) * 17 + 3
    return Batch(tracks, torch.ones(shape[:2], dtype=torch.bool), owner, slot, keys, *(torch.full_like(keys, -1),) * 2)


def clip_of(whole: Batch, at: int) -> Batch:
    """One clip of a batch."""
    rows = whole.owner == at
    return Batch(
        whole.tracks[rows],
        whole.valid[rows],
        torch.zeros_like(whole.owner[rows]),
        whole.slot[rows],
        whole.key[at : at + 1],
        whole.label[at : at + 1],
        whole.position[at : at + 1],
    )


bodies = st.tuples(st.integers(13, 60), st.sampled_from([2, 3]), st.lists(st.integers(0, 2), min_size=1, max_size=4))


@pytest.mark.parametrize("name", SIMPLE)
class TestEvery:
    @quick
    @given(shape=bodies, seed=st.integers(0, 2**31))
    def test_keeps_shape_and_rows_on_any_body(self, name: str, shape: tuple[int, int, list[int]], seed: int) -> None:
        joints, coordinates, persons = shape
        inputs = batch(persons, joints, coordinates)
        before = inputs.tracks.clone()
        out = SIMPLE[name](inputs, Noise(seed), spec(body(joints), coordinates))
        assert torch.equal(inputs.tracks, before)
        assert out.tracks.shape == before.shape
        assert out.tracks.dtype == before.dtype
        assert bool(torch.isfinite(out.tracks).all())
        for field in ("owner", "slot", "key", "label"):
            assert torch.equal(getattr(out, field), getattr(inputs, field))

    @quick
    @given(seed=st.integers(0, 2**31))
    def test_a_clip_is_changed_alike_alone_and_among_others(self, name: str, seed: int) -> None:
        whole, clip = batch([1, 2, 2]), spec(body(13))
        out = SIMPLE[name](whole, Noise(seed), clip)
        for at in range(3):
            alone = SIMPLE[name](clip_of(whole, at), Noise(seed), clip)
            assert torch.equal(alone.tracks, clip_of(out, at).tracks)

    @quick
    @given(seed=st.integers(0, 2**31))
    def test_persons_of_a_clip_change_alike_and_absent_ones_stay_absent(self, name: str, seed: int) -> None:
        if name == "noise":
            pytest.skip("noise is drawn for each person")
        whole = batch([2, 2])
        alike = whole._replace(tracks=whole.tracks[[0, 0, 2, 2]])
        out = SIMPLE[name](alike, Noise(seed), spec(body(13))).tracks
        assert torch.equal(out[::2], out[1::2])
        empty = whole._replace(tracks=torch.zeros_like(whole.tracks))
        assert not SIMPLE[name](empty, Noise(seed), spec(body(13))).tracks.any()

    def test_draws_from_noise_alone(self, name: str) -> None:
        state = torch.random.get_rng_state()
        first, second = (SIMPLE[name](batch([1, 2]), Noise(5, step), spec(body(13))) for step in (1, 1))
        assert torch.equal(first.tracks, second.tracks)
        assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("augment", [Flip(), GaussianNoise(), AxisMask(), TimeFlip(), GaussianBlur()])
def test_a_chance_of_zero_and_of_one(augment: Augment) -> None:
    whole, clip = batch([1] * 40), spec(body(13))

    def changed(probability: float) -> int:
        out = replace(augment, probability=probability)(whole, Noise(3), clip)  # type: ignore[type-var]
        return int((out.tracks != whole.tracks).flatten(1).any(1).sum())

    assert changed(0.0) == 0
    assert 8 < changed(0.5) < 32
    assert changed(1.0) == 40


def test_a_draw_per_batch_is_the_same_for_all_clips() -> None:
    tracks = batch([1]).tracks.expand(6, -1, -1, -1)
    whole = batch([1] * 6)._replace(tracks=tracks)
    alike = Shear(per="batch")(whole, Noise(1), spec(body(13))).tracks
    assert bool((alike == alike[:1]).all())
    apart = Shear()(whole, Noise(1), spec(body(13))).tracks
    assert not bool((apart == apart[:1]).all())


@quick
@given(seed=st.integers(0, 2**31), joints=st.integers(13, 60), share=st.floats(0, 1))
def test_corruption_hits_its_share_of_joints_in_all_frames(seed: int, joints: int, share: float) -> None:
    whole = batch([2, 1], joints)
    out = JointCorruption(share)(whole, Noise(seed), spec(body(joints)))
    hit = (out.tracks != whole.tracks).any(-1)
    assert bool((hit == hit[:, :1]).all())
    assert hit[:, 0].sum(1).tolist() == [round(share * joints)] * 3


@quick
@given(seed=st.integers(0, 2**31), amplitude=st.floats(0, 2))
def test_shear_is_linear_with_ones_on_its_diagonal(seed: int, amplitude: float) -> None:
    whole = batch([1])
    axes = torch.eye(3, dtype=torch.float64).expand(1, FRAMES, 3, 3)
    basis = whole._replace(tracks=axes)
    matrix = Shear(amplitude)(basis, Noise(seed), spec(body(13))).tracks[0, 0].T
    assert torch.equal(matrix.diagonal(), torch.ones(3, dtype=torch.float64))
    assert float((matrix - torch.eye(3)).abs().max()) <= amplitude
    out = Shear(amplitude)(whole, Noise(seed), spec(body(13))).tracks
    torch.testing.assert_close(out, whole.tracks @ matrix.T, rtol=0, atol=1e-12)


@quick
@given(seed=st.integers(0, 2**31))
def test_tilt_keeps_distances_and_turns_about_one_axis_most(seed: int) -> None:
    whole = batch([1])
    out = TiltRotation(other=0.0)(whole, Noise(seed), spec(body(13))).tracks
    torch.testing.assert_close(out.norm(dim=-1), whole.tracks.norm(dim=-1), rtol=1e-12, atol=0)
    unmoved = [axis for axis in range(3) if torch.equal(out[..., axis], whole.tracks[..., axis])]
    assert len(unmoved) == 1


def test_exchanging_twice_and_reversing_twice_change_nothing() -> None:
    whole, clip = batch([2, 1]), spec(body(13))
    for augment in (Flip(1.0), TimeFlip(1.0)):
        twice = augment(augment(whole, Noise(0), clip), Noise(0), clip)
        assert torch.equal(twice.tracks, whole.tracks)


def test_reversal_takes_validity_along() -> None:
    whole = batch([1])
    valid = torch.arange(FRAMES)[None] < 5
    out = TimeFlip(1.0)(whole._replace(valid=valid), Noise(0), spec(body(13)))
    assert torch.equal(out.valid, valid.flip(1))


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_either_takes_validity_of_the_one_it_picks(probability: float) -> None:
    valid = torch.arange(FRAMES)[None] < 5
    either = Either(TimeFlip(1.0), Shear(), probability)
    out = either(batch([1])._replace(valid=valid), Noise(0), spec(body(13)))
    assert torch.equal(out.valid, valid.flip(1) if probability else valid)


@pytest.mark.parametrize("picked", [[True, False, True], [True] * 3, [False] * 3])
def test_each_of_two_changes_works_on_its_own_clips_alone_and_as_on_all(picked: list[bool]) -> None:
    whole, clips, clip = batch([1, 2, 1]), torch.tensor(picked), spec(body(13))
    whole = whole._replace(valid=torch.arange(FRAMES) < torch.tensor([[5], [6], [7], [8]]))
    persons: list[int] = []

    def first(part: Batch) -> Batch:
        persons.append(len(part.owner))
        return JointCorruption()(part, Noise(3), clip)

    def second(part: Batch) -> Batch:
        persons.append(len(part.owner))
        return TimeFlip(1.0)(part, Noise(3), clip)

    out, rows = either_of(whole, clips, first, second), clips[whole.owner]
    assert persons == [count for count in (int(rows.sum()), int((~rows).sum())) if count]
    one, other = first(whole), second(whole)
    assert torch.equal(out.tracks, torch.where(rows[:, None, None, None], one.tracks, other.tracks))
    assert torch.equal(out.valid, torch.where(rows[:, None], one.valid, other.valid))
    assert all(torch.equal(*pair) for pair in zip(out[2:], whole[2:], strict=True))


def test_a_blur_of_the_paper_keeps_what_stands_still_and_the_released_one_makes_it_larger() -> None:
    still = batch([1])._replace(tracks=torch.ones(1, FRAMES, 13, 3, dtype=torch.float64))
    paper = GaussianBlur(Fidelity.paper, 1.0)(still, Noise(4), spec(body(13))).tracks
    torch.testing.assert_close(paper, still.tracks, rtol=0, atol=1e-12)
    released = GaussianBlur(Fidelity.released, 1.0)(still, Noise(4), spec(body(13))).tracks
    assert float(released[0, FRAMES // 2].min()) > 1


def test_missing_persons_get_noise_only_where_they_are_filled_in() -> None:
    whole, clip = batch([1, 2]), spec(body(13))
    filled = FillPersons()(whole, Noise(0), clip)
    assert filled.slot.tolist() == [0, 1, 0, 1]
    out = GaussianNoise(probability=1.0)(filled, Noise(0), clip)
    assert out.tracks[1].abs().max() > 0
    assert not out.valid[1].any()


@quick
@given(
    lengths=st.lists(st.integers(1, 400), min_size=1, max_size=5),
    frames=st.integers(1, 80),
    ratio=st.integers(0, 12),
    seed=st.integers(0, 2**31),
)
def test_a_shift_reads_inside_the_clip_with_mirrored_ends(
    lengths: list[int], frames: int, ratio: int, seed: int
) -> None:
    count = torch.tensor(lengths)
    noise = Noise(seed).on(batch([1] * len(lengths)))
    at = PadCrop(ratio)(count, frames, noise)
    assert at.shape == (len(lengths), frames)
    assert bool((at >= 0).all())
    assert bool((at <= count[:, None] - 1).all())
    whole = PadCrop(0)(count, frames, noise)
    for row, unshifted in zip(at, whole, strict=True):
        mirrored = torch.cat([unshifted.flip(0), unshifted, unshifted.flip(0)])
        windows = mirrored.unfold(0, frames, 1)
        most = frames // ratio if ratio else 0
        assert bool((windows[frames - most : frames + most + 1] == row).all(1).any())


@pytest.mark.parametrize(
    ("spoilt", "kind", "words"),
    [
        (lambda: Flip(1.5), UsageError, r"probability of an augmentation is 1\.5; it must be in \[0, 1\]"),
        (lambda: Either(Flip(), Flip(), -0.1), UsageError, r"probability of an augmentation is -0\.1"),
        (lambda: GaussianBlur(probability=float("nan")), UsageError, "probability of an augmentation is nan"),
        (lambda: Shear(-1), UsageError, "amplitude of a shear is -1"),
        (lambda: JointCorruption(2), UsageError, "share of corrupted joints is 2"),
        (lambda: GaussianNoise(-1), UsageError, r"s\.d\. of the added noise is -1"),
        (lambda: PadCrop(-1), UsageError, "padding ratio of a crop is -1"),
        (lambda: TiltRotation(main=float("inf")), UsageError, "angle of a tilt is inf"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(spoilt, kind: type[Exception], words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(kind, match=words):
        spoilt()


def test_a_body_without_sides_cannot_be_flipped() -> None:
    sideless = replace(body(13), swaps=())
    with pytest.raises(DataError, match="exchanges left and right joints, but layout 'body' names no pairs"):
        Flip()(batch([1]), Noise(0), spec(sideless))
