"""The loader: the right frames of the right persons, whatever else is in the batch."""

from __future__ import annotations

import gc
import weakref
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pretended import PRETENDED, pretending
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.dataset import Clip, DatasetInfo, Track
from sslskel.api.noise import Noise
from sslskel.api.skeleton import SkeletonLayout
from sslskel.api.view import ClipSpec, ViewSpec
from sslskel.config.groups import ClipConfig, Stream
from sslskel.data.loader import ClipSource
from sslskel.data.memory import MemoryDataset
from sslskel.data.store.store import StoredDataset, open_dataset, write_dataset
from sslskel.errors import UsageError
from sslskel.transforms.clip import CentreCrop, RandomCrop, clip_spec

BODY = SkeletonLayout("chain5", tuple("abcde"), (-1, 0, 1, 2, 3), 0)
INFO = DatasetInfo("mixed", 1, BODY, ("sit", "stand", "wave"), 30.0, persons=3)
CONFIG = ClipConfig(frames=16, min_frames=6)


def made(count: int = 40, seed: int = 0, info: DatasetInfo = INFO) -> list[Clip]:
    """Clips of 1 to 50 frames with 0 to 3 persons who come, go and are missed in between."""
    generator = np.random.default_rng(seed)
    clips = []
    for number in range(count):
        length = int(generator.integers(1, 51))
        tracks = []
        for slot in sorted(generator.permutation(3)[: 1 if number == 0 else generator.integers(0, 4)].tolist()):
            whole = generator.random() < 0.4
            begin = 0 if whole else int(generator.integers(0, length))
            frames = length if whole else int(generator.integers(1, length - begin + 1))
            valid = generator.random(frames) < (1 if whole else 0.8)
            valid[0] = True
            joints = generator.normal(size=(frames, 5, info.coordinates)).astype(np.float32) * valid[:, None, None]
            tracks.append(Track(slot, begin, joints, valid))
        clips.append(Clip(f"clip{number}", int(generator.integers(-1, 3)), length, tuple(tracks)))
    return clips


CLIPS = made()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> StoredDataset:
    path = tmp_path_factory.mktemp("loader") / "mixed"
    write_dataset(path, INFO, CLIPS)
    return open_dataset(path)


def source_of(dataset: StoredDataset, **options: Any) -> ClipSource:
    return ClipSource(dataset, np.arange(len(dataset)), clip_spec(dataset.info, CONFIG), **options)


def same(batch: Batch, expected: Batch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(batch, expected, strict=True))


def persons_of(batch: Batch, row: int) -> tuple[Tensor, Tensor, Tensor]:
    mine = batch.owner == row
    return batch.tracks[mine], batch.valid[mine], batch.slot[mine]


def by_hand(clip: Clip, positions: Tensor, persons: int) -> tuple[np.ndarray, np.ndarray]:
    """(M, T, V, C) and (M, T): the dense clip with zeros, interpolated frame by frame."""
    dense = np.zeros((persons, clip.length + 1, 5, clip.tracks[0].joints.shape[-1] if clip.tracks else 3))
    seen = np.zeros((persons, clip.length + 1), np.bool_)
    for person in clip.tracks:
        span = slice(person.begin, person.begin + len(person.joints))
        dense[person.slot, span], seen[person.slot, span] = person.joints, person.valid
    low = np.floor(positions.numpy()).astype(int)
    share = positions.numpy() - low
    values = dense[:, low] * (1 - share)[:, None, None] + dense[:, low + 1] * share[:, None, None]
    return values, seen[:, low] & (seen[:, low + 1] | (share == 0))


@pytest.mark.parametrize("part", ["train_view", "test_view"])
def test_every_view_is_the_clip_read_by_hand(dataset: StoredDataset, part: str) -> None:
    source = source_of(dataset, dtype=torch.float64)
    sampler = getattr(source.spec, part).sample
    noise = Noise(4, 2)
    batch = source.batch(torch.arange(len(source)), ViewSpec(sampler), noise)
    positions = sampler(torch.from_numpy(dataset.lengths.copy()), 16, noise.on(batch))
    rows = 0
    for number, clip in enumerate(CLIPS):
        values, seen = by_hand(clip, positions[number], 3)
        tracks, valid, slots = persons_of(batch, number)
        assert slots.tolist() == np.flatnonzero(seen.any(1)).tolist()
        assert np.allclose(tracks.numpy(), values[slots.numpy()], atol=1e-14)
        assert np.array_equal(valid.numpy(), seen[slots.numpy()])
        rows += len(slots)
    assert rows == len(batch.tracks)
    assert torch.equal(batch.owner, batch.owner.sort().values)


@pytest.mark.parametrize("stream", list(Stream))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_clip_alone_equals_the_clip_in_a_crowd(dataset: StoredDataset, stream: Stream, dtype: torch.dtype) -> None:
    spec = clip_spec(INFO, ClipConfig(frames=16, min_frames=6, stream=stream))
    source = ClipSource(dataset, np.arange(40), spec, dtype=dtype)
    noise = Noise(1, 5).view(1)
    crowd = source.batch(torch.arange(40), spec.train_view, noise)
    assert crowd.tracks.dtype == dtype
    for row in range(40):
        alone = source.batch(torch.tensor([row]), spec.train_view, noise)
        for person, expected in zip(persons_of(alone, 0), persons_of(crowd, row), strict=True):
            assert torch.equal(person, expected)
        assert alone.key.tolist() == [crowd.key[row].item()]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 39), max_size=12), st.integers(1, 7), st.integers(0, 1 << 30))
def test_any_choice_of_clips_in_any_batches(dataset: StoredDataset, rows: list[int], size: int, seed: int) -> None:
    source, noise = source_of(dataset), Noise(seed)
    view = source.spec.train_view
    whole = source.batch(torch.arange(40), view, noise)
    chosen = source.subset(torch.tensor(rows, dtype=torch.int64))
    seen = 0
    for batch in chosen.batches(view, noise, size):
        assert batch.num_clips == min(size, len(rows) - seen)
        for row in range(batch.num_clips):
            for person, expected in zip(persons_of(batch, row), persons_of(whole, rows[seen]), strict=True):
                assert torch.equal(person, expected)
            assert batch.key[row] == source.keys[rows[seen]]
            assert batch.label[row] == CLIPS[rows[seen]].label
            seen += 1
    assert seen == len(rows) == len(chosen)


def test_views_and_steps_differ_and_tests_do_not(dataset: StoredDataset) -> None:
    source, everything = source_of(dataset), torch.arange(40)
    train, test = source.spec.train_view, source.spec.test_view
    first = source.batch(everything, train, Noise(0, 0).view(0))
    assert same(first, source.batch(everything, train, Noise(0, 0).view(0)))
    for other in (Noise(0, 0).view(1), Noise(0, 1).view(0), Noise(1, 0).view(0)):
        changed = source.batch(everything, train, other)
        assert changed.tracks.shape != first.tracks.shape or not torch.allclose(changed.tracks, first.tracks)
    assert same(source.batch(everything, test, Noise(0)), source.batch(everything, test, Noise(9)))


def test_single_and_double_precision_see_the_same_view(dataset: StoredDataset) -> None:
    single, double = (source_of(dataset, dtype=dtype) for dtype in (torch.float32, torch.float64))
    view, everything = single.spec.train_view, torch.arange(40)
    batch, expected = single.batch(everything, view, Noise(3)), double.batch(everything, view, Noise(3))
    assert torch.equal(batch.valid, expected.valid)
    assert torch.allclose(batch.tracks.double(), expected.tracks, atol=1e-6)


def test_labels_can_be_withheld(dataset: StoredDataset) -> None:
    hidden = source_of(dataset, labels=False)
    subset = hidden.subset(torch.tensor([3, 1]))
    assert set(hidden.labels.tolist()) == {-1}
    assert subset.labels.tolist() == [-1, -1]
    assert hidden.batch(torch.arange(4), hidden.spec.test_view, Noise(0)).label.tolist() == [-1] * 4
    assert subset.keys.tolist() == dataset.keys[[3, 1]].tolist()
    assert source_of(dataset).labels.tolist() == dataset.labels.tolist()


def test_names_follow_rows(dataset: StoredDataset) -> None:
    source = ClipSource(dataset, np.array([5, 2, 9]), clip_spec(INFO, CONFIG))
    assert source.names() == ["clip5", "clip2", "clip9"]
    assert source.names(torch.tensor([2, 0])) == ["clip9", "clip5"]
    assert source.subset(torch.tensor([1])).names() == ["clip2"]
    assert source.subset(torch.tensor([2, 0])).subset(torch.tensor([0])).names() == ["clip9"]


def test_clips_without_persons_have_no_rows(dataset: StoredDataset) -> None:
    empty = [row for row, clip in enumerate(CLIPS) if not clip.tracks]
    assert empty
    source = source_of(dataset)
    batch = source.batch(torch.tensor(empty), source.spec.train_view, Noise(0))
    assert batch.num_clips == len(empty)
    assert batch.tracks.shape == (0, 16, 5, 3)
    none = source.batch(torch.zeros(0, dtype=torch.int64), source.spec.train_view, Noise(0))
    assert (none.num_clips, len(none.tracks)) == (0, 0)


@pytest.mark.parametrize(
    "rows", [torch.tensor([40]), torch.tensor([-1]), torch.tensor([0.0]), torch.tensor([[0]]), torch.tensor([True])]
)
def test_rows_that_are_not_there(dataset: StoredDataset, rows: Tensor) -> None:
    source = source_of(dataset)
    for use in (source.subset, source.names, lambda r: source.batch(r, source.spec.test_view, Noise(0))):
        with pytest.raises(UsageError, match="row"):
            use(rows)
    with pytest.raises(UsageError, match="mixed"):
        ClipSource(dataset, rows, source.spec)
    with pytest.raises(UsageError, match="batch of 0"):
        next(source.batches(source.spec.test_view, Noise(0), 0))


def test_augments_are_bound_and_come_in_order(dataset: StoredDataset) -> None:
    order = []

    def first(batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        order.append("first")
        drawn = noise.uniform("site")
        assert len(drawn) == len(batch.tracks)
        return batch._replace(**{name: getattr(batch, name)[:3] for name in ("tracks", "valid", "owner", "slot")})

    def second(batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        order.append("second")
        assert len(noise.uniform("site")) == len(batch.tracks) == 3
        return batch

    source = source_of(dataset)
    source.batch(torch.arange(9), ViewSpec(CentreCrop(1.0), (first, second)), Noise(0))
    assert order == ["first", "second"]


def test_half_precision_store_and_flat_bodies(tmp_path: Path) -> None:
    flat = DatasetInfo("flat", 1, BODY, ("sit", "stand", "wave"), 25.0, unit="pixel", coordinates=2, persons=3)
    write_dataset(tmp_path / "flat", flat, made(12, 3, flat), float16=True)
    source = source_of(open_dataset(tmp_path / "flat"))
    batch = source.batch(torch.arange(12), source.spec.train_view, Noise(0))
    assert batch.tracks.dtype == torch.float32
    assert batch.tracks.shape[2:] == (5, 2)
    assert bool(batch.tracks.isfinite().all())


def test_frames_held_on_a_device_are_the_same_frames(dataset: StoredDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path of accelerators, walked on the CPU: copy the used tracks, then read from the copy."""
    rows = torch.tensor([31, 4, 4, 17, 0])
    plain = ClipSource(dataset, rows, clip_spec(INFO, CONFIG))
    held = ClipSource(dataset, rows, clip_spec(INFO, CONFIG), resident=True)
    assert len(held.frames.joints) < len(dataset.joints)
    view, noise = plain.spec.train_view, Noise(8)
    assert same(held.batch(torch.arange(5), view, noise), plain.batch(torch.arange(5), view, noise))
    assert same(held.subset(torch.tensor([3, 1])).batch(torch.arange(2), view, noise),
                plain.batch(torch.tensor([3, 1]), view, noise))  # fmt: skip


def test_the_memory_map_is_read_in_place(dataset: StoredDataset) -> None:
    source = source_of(dataset)
    assert source.frames.joints.data_ptr() == dataset.joints.ctypes.data
    assert source.frames.valid.data_ptr() == dataset.valid.ctypes.data


def test_nothing_reads_or_moves_the_global_generators(dataset: StoredDataset) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[union-attr, index]
    source = source_of(dataset)
    source.batch(torch.arange(40), ViewSpec(RandomCrop(0.5, 1.0, 6), source.spec.train_view.augment), Noise(0))
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # type: ignore[index]


@pytest.mark.gpu
@pytest.mark.parametrize("resident", [True, False])
def test_a_gpu_sees_the_same_views(dataset: StoredDataset, resident: bool) -> None:
    plain, there = source_of(dataset), source_of(dataset, device="cuda", resident=resident)
    view, everything = plain.spec.train_view, torch.arange(40)
    batch = there.batch(everything, view, Noise(6, device="cuda"))
    expected = plain.batch(everything, view, Noise(6))
    assert batch.tracks.is_cuda
    assert torch.allclose(batch.tracks.cpu(), expected.tracks, atol=1e-6)
    for name in ("valid", "owner", "slot", "key", "label"):
        assert torch.equal(getattr(batch, name).cpu(), getattr(expected, name))


def in_memory(seed: int) -> MemoryDataset:
    return MemoryDataset(INFO, made(seed=seed))


def sources_there(*datasets: MemoryDataset) -> tuple[list[ClipSource], int]:
    """On a device that is not there, and how many copies to it that took."""
    with pretending() as pretence:
        there = [source_of(one, device=PRETENDED) for one in datasets]  # type: ignore[arg-type]
        return there, sum(number for line, number in pretence.taken().items() if line.endswith("copies to the device"))


def test_frames_go_to_a_device_once() -> None:
    data = in_memory(1)
    first, copies = sources_there(data, data)
    assert copies == 1
    again, copies = sources_there(data, copy(data))
    assert copies == 0
    assert {id(one.frames.joints) for one in (*first, *again)} == {id(first[0].frames.joints)}
    gone = weakref.ref(first[0].frames.joints)
    del first, again, data
    gc.collect()
    assert gone() is None


def test_frames_of_two_datasets_share_the_memory_or_replace_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = in_memory(1), in_memory(2)
    assert sources_there(one, other, one, other)[1] == 2
    of_one = 1.5 * max(one.joints.nbytes, other.joints.nbytes)
    monkeypatch.setattr("sslskel.data.loader.RESIDENT_SHARE", of_one / 2.0**31)
    one, other = in_memory(3), in_memory(4)
    assert sources_there(one, one, other, other, one)[1] == 3
