"""Untrimmed recordings in the store: clips are cut from them without a copy, and what is annotated comes back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sslskel.api.benchmark import Benchmark, Split
from sslskel.api.dataset import Clip, DatasetInfo, Segment, Segments, Track
from sslskel.api.noise import Noise
from sslskel.api.skeleton import SkeletonLayout
from sslskel.api.view import ClipSpec, ViewSpec
from sslskel.checks.dataset import DATASET_CHECKS, DatasetCase
from sslskel.data.loader import ClipSource
from sslskel.data.store.segments import all_in, any_in
from sslskel.data.store.store import StoredDataset, open_dataset, write_dataset
from sslskel.errors import DataError, UsageError
from sslskel.evaluation.judge import judged_on
from sslskel.evaluation.leakage import judged_seen, seen_part
from sslskel.hashing import stable_id
from sslskel.protocols.knn import Knn
from sslskel.transforms.clip import CentreCrop

LAYOUT = SkeletonLayout("pair", ("a", "b"), (-1, 0), 0)
INFO = DatasetInfo("toy", 1, LAYOUT, ("sit", "stand", "wave"), 30.0, persons=2, lists=("first", "second"))


def track(slot: int, begin: int, length: int, gap: tuple[int, int] = (0, 0)) -> Track:
    joints = np.random.default_rng(7 * slot + begin).normal(size=(length, 2, 3)).astype(np.float32)
    valid = np.ones(length, np.bool_)
    valid[slice(*gap)] = False
    joints[~valid] = 0
    return Track(slot, begin, joints, valid)


def recordings() -> list[Clip]:
    """Two recordings of 20 and 9 frames; the second person of the first is seen in frames 8 to 15."""
    long = (
        Segment(0, 6, 1, "long_0", 6, confidence=2),
        Segment(4, 12, 0, "long_1", 5),
        Segment(10, 18, 2, "long_2", 8),
        Segment(2, 4, 2),
    )
    return [
        Clip("long", -1, 20, (track(0, 0, 20), track(1, 8, 8)), camera=2, segments=long, lists=frozenset({"first"})),
        Clip("short", -1, 9, (track(0, 0, 9),), camera=1, segments=(Segment(3, 9, 1, "short_0", 6),)),
    ]


@pytest.fixture
def stored(tmp_path: Path) -> StoredDataset:
    write_dataset(tmp_path / "toy", INFO, recordings())
    return open_dataset(tmp_path / "toy")


def persons(dataset: Any, clip: int) -> dict[int, tuple[int, Any]]:
    """Slot -> (first frame, joints) of one clip, as the index tells."""
    rows = np.flatnonzero(dataset.track_clip == clip)
    return {
        int(dataset.track_slot[row]): (
            int(dataset.track_begin[row]),
            np.asarray(dataset.joints[dataset.track_offset[row] :][: dataset.track_length[row]]),
        )
        for row in rows
    }


def test_clips_are_cut_from_recordings_and_share_their_rows(stored: StoredDataset) -> None:
    assert stored.names.tolist() == ["long_0", "long_1", "long_2", "short_0"]
    assert stored.keys.tolist() == [stable_id("toy", name) for name in stored.names]
    assert (stored.labels.tolist(), stored.lengths.tolist()) == ([1, 0, 2, 1], [6, 5, 8, 6])
    assert (stored.cameras.tolist(), stored.lists.tolist()) == ([2, 2, 2, 1], [1, 1, 1, 0])
    first, second = recordings()[0].tracks
    assert sorted(persons(stored, 0)) == [0]
    begin, joints = persons(stored, 1)[1]  # frames 4 to 8 hold the second person's first frame alone
    assert begin == 4
    assert np.array_equal(joints, second.joints[:1])
    begin, joints = persons(stored, 2)[1]
    assert begin == 0
    assert np.array_equal(joints, second.joints[2:8])
    assert np.array_equal(persons(stored, 2)[0][1], first.joints[10:18])
    assert stored.untrimmed is not None
    assert stored.untrimmed.joints is stored.joints
    assert len(stored.joints) == 20 + 8 + 9


def test_recordings_keep_every_annotation(stored: StoredDataset) -> None:
    whole, cut_from = stored.untrimmed, stored.recording
    assert whole is not None
    assert whole.segments is not None
    assert cut_from is not None
    assert whole.names.tolist() == ["long", "short"]
    assert cut_from.tolist() == [0, 0, 0, 1]
    assert [column.tolist() for column in whole.segments] == [
        [0, 0, 0, 0, 1],
        [0, 4, 10, 2, 3],
        [6, 12, 18, 4, 9],
        [1, 0, 2, 2, 1],
        [2, -1, -1, -1, -1],
    ]
    assert [column.tolist() for column in whole.segments.of(np.array([1, 0]))] == [
        [0, 1, 1, 1, 1],
        [3, 0, 4, 10, 2],
        [9, 6, 12, 18, 4],
        [1, 1, 0, 2, 2],
        [-1, 2, -1, -1, -1],
    ]
    assert len(whole.segments.of(np.array([], np.int64)).owner) == 0
    assert stored.report()["counts"] == {"clips": 4, "rows": 37, "recordings": 2, "actions": 5, "dropped": 0}


def test_a_split_goes_by_the_source_s_lists_and_keeps_the_contract(stored: StoredDataset) -> None:
    split = Split("first", "list", train=frozenset({1}), validation=frozenset())
    assert split.part(stored, "train").tolist() == [0, 1, 2]
    assert split.part(stored, "test").tolist() == [3]
    assert split.part(stored.untrimmed or stored, "test").tolist() == [1]
    benchmark = Benchmark("toy", 1, "", INFO, lambda *_: iter(()), {"first": split}, "first", "", "")
    for check in DATASET_CHECKS:
        if check.__name__ != "validation_lies_in_train":
            check(DatasetCase(benchmark, stored))


def test_a_recording_that_was_seen_is_known_by_each_clip_of_it(stored: StoredDataset) -> None:
    first = Split("first", "list", train=frozenset({1}), validation=frozenset())
    turned = replace(first, train=frozenset({0}))
    benchmark = Benchmark("toy", 1, "", INFO, lambda *_: iter(()), {"first": first, "turned": turned}, "first", "", "")
    seen = [seen_part(benchmark, stored, "first", "train")]
    assert judged_seen(seen, benchmark, stored, "first")[0]["overlap"] == 0
    assert judged_seen(seen, benchmark, stored, "turned")[0]["overlap"] == 3
    assert stored.untrimmed is not None
    assert judged_seen(seen, benchmark, stored.untrimmed, "turned")[0]["overlap"] == 1


def test_the_loader_hands_out_clips_and_recordings_and_withholds_what_is_annotated(stored: StoredDataset) -> None:
    view, noise = ViewSpec(CentreCrop(1.0)), Noise(0)
    spec = ClipSpec(LAYOUT, 8, 2, 3, 30.0, "metre", view, view)
    assert stored.untrimmed is not None
    clips = ClipSource(stored, np.arange(4), spec)
    assert clips.segments is None
    batch = clips.batch(torch.arange(4), view, noise)
    assert batch.owner.tolist() == [0, 1, 1, 2, 2, 3]
    whole = ClipSource(stored.untrimmed, np.arange(2), spec)
    assert isinstance(whole.segments, Segments)
    assert ClipSource(stored.untrimmed, np.arange(2), spec, labels=False).segments is None
    assert whole.subset(torch.tensor([1])).segments.label.tolist() == [1]  # type: ignore[union-attr]


def test_a_protocol_of_recordings_is_refused_where_there_are_none(stored: StoredDataset) -> None:
    class Whole(Knn):
        untrimmed = True

    assert judged_on(Knn(Knn.Config()), stored) is stored
    assert judged_on(Whole(Knn.Config()), stored) is stored.untrimmed
    with pytest.raises(UsageError, match=r"Whole evaluates untrimmed recordings .* 'toy' holds clips alone"):
        judged_on(Whole(Knn.Config()), stored.untrimmed or stored)


@pytest.mark.parametrize(
    ("segment", "words"),
    [
        (Segment(-2, 4, 0), "begin=-2"),
        (Segment(-1, 4, 0), "lies in frames -1 to 3"),
        (Segment(3, 3, 0), "lies in frames 3 to 2"),
        (Segment(3, 21, 0), "has frames 0 to 19"),
        (Segment(0, 4, 3), "label 3"),
        (Segment(0, 4, True), "label=True"),
        (Segment(0, 4, 0, "x", 5), "5 of its 4 frames"),
        (Segment(0, 4, 0, "x", 0), "0 of its 4 frames"),
        (Segment(0, 4, 0, "", 2), "2 of its 4 frames"),
        (Segment(0, 4, 0, "long_0", 2), "'long_0' occurs twice"),
        (Segment(0, 4, 0, "long", 2), "'long' occurs twice"),
    ],
)
def test_foul_annotations_are_refused_by_name(segment: Segment, words: str, tmp_path: Path) -> None:
    long, short = recordings()
    with pytest.raises(DataError) as fault:
        write_dataset(tmp_path / "toy", INFO, [replace(long, segments=(*long.segments, segment)), short])
    assert words in str(fault.value)
    assert not (tmp_path / "toy").exists()


def test_unknown_lists_and_recordings_without_clips_are_refused(tmp_path: Path) -> None:
    long, _ = recordings()
    with pytest.raises(DataError, match="list 'third'"):
        write_dataset(tmp_path / "toy", INFO, [replace(long, lists=frozenset({"third"}))])
    with pytest.raises(DataError, match="no clip is cut"):
        write_dataset(tmp_path / "toy", INFO, [replace(long, segments=(Segment(0, 3, 1),))])


def test_damaged_columns_are_noticed(stored: StoredDataset) -> None:
    for name in ("segment_begin.npy", "segment_clip.npy", "lists.npy"):
        path = stored.path / name
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(DataError, match=name):
            open_dataset(stored.path)
        path.write_bytes(content)
    open_dataset(stored.path)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 6)), max_size=8), st.integers(0, 2**15 - 1))
def test_stretches_are_summed_up_as_a_loop_does(stretches: list[tuple[int, int]], bits: int) -> None:
    flags = np.array([bool(bits >> i & 1) for i in range(15)])
    offset, length = (np.array([pair[i] for pair in stretches], np.int64) for i in (0, 1))
    assert any_in(flags, offset, length).tolist() == [bool(flags[o : o + n].any()) for o, n in stretches]
    assert all_in(flags, offset, length).tolist() == [bool(flags[o : o + n].all()) for o, n in stretches]
