"""Preparing and opening benchmarks: one folder per recipe, nothing trusted, one sentence for every fault."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorder import Recorder

from sslskel.api.benchmark import Benchmark, ImportReport, Split
from sslskel.api.dataset import Clip, DatasetInfo, Track
from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.prepare import data_root, locate, open_benchmark, prepare
from sslskel.data.store.store import open_dataset, verify_dataset
from sslskel.errors import DataError, UsageError

INFO = DatasetInfo("toy", 2, SkeletonLayout("pair", ("a", "b"), (-1, 0), 0), ("sit", "stand"), 30.0)
XSUB = Split("xsub", "subject", train=frozenset({1, 2}), validation=frozenset({2}))


def read(sources: Sequence[Path], report: ImportReport) -> Iterator[Clip]:
    """One clip per line ``name subject``; a line ``bad`` is dropped."""
    for source in sources:
        report.source[source.name] = "0" * 64
        for line in source.read_text().splitlines():
            name, _, subject = line.partition(" ")
            if name == "bad":
                report.dropped[line] = "unreadable"
                continue
            joints = np.full((3, 2, 3), len(name), np.float32)
            yield Clip(name, 0, 3, (Track(0, 0, joints, np.ones(3, np.bool_)),), subject=int(subject))


def grow(sources: Sequence[Path], report: ImportReport) -> Iterator[Clip]:
    for number in range(12):
        joints = np.full((3, 2, 3), number, np.float32)
        yield Clip(f"c{number}", number % 2, 3, (Track(0, 0, joints, np.ones(3, np.bool_)),), subject=number % 3)


def benchmark(expected: Mapping[str, int] | None = None, **changes: Any) -> Benchmark:
    made = Benchmark("toy", 1, "Toy", INFO, read, {"xsub": XSUB}, "xsub", "", "CC0", expected=expected or {})
    return replace(made, **changes)


EMBEDDED = benchmark(embedded=True, read=grow, expected={"clips": 12, "xsub/train": 8, "xsub/test": 4})


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "list.txt"
    path.write_text("one 1\nthree 2\nseven 3\n")
    return path


def test_root_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSLSKEL_DATA", str(tmp_path / "here"))
    assert data_root() == tmp_path / "here"
    monkeypatch.delenv("SSLSKEL_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data_root() == tmp_path / "sslskel" / "datasets"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert data_root() == tmp_path / "home" / ".cache" / "sslskel" / "datasets"
    assert locate(benchmark()) == data_root() / "toy"
    assert locate(benchmark(info=replace(INFO, recipe="raw")), tmp_path) == tmp_path / "toy-raw"


def test_prepare_then_open(source: Path, tmp_path: Path) -> None:
    reporter = Recorder()
    known = benchmark({"clips": 3, "xsub/train": 2, "xsub/test": 1})
    path = prepare(known, [source], tmp_path / "data", reporter)
    assert path == tmp_path / "data" / "toy"
    assert reporter.steps == [("preparing toy", done, 3) for done in (1, 2, 3)]
    dataset = open_benchmark(known, tmp_path / "data")
    assert list(dataset.names) == ["one", "three", "seven"]
    assert dataset.info.source == {"list.txt": "0" * 64}
    assert prepare(known, [source], tmp_path / "data") == path
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["toy"]


def test_strict_excuses_no_missing_clip_by_what_was_dropped(source: Path, tmp_path: Path) -> None:
    source.write_text("one 1\nbad 1\nseven 3\n")
    with pytest.raises(DataError, match="clips: found 2 clips, expected 3"):
        prepare(benchmark({"clips": 3}), [source], tmp_path / "data", strict=True)
    # What is left out on purpose is not among the clips that are expected.
    assert len(open_dataset(prepare(benchmark({"clips": 2}), [source], tmp_path / "data", strict=True))) == 2


@pytest.mark.parametrize("wrong", [{"clips": 4}, {"clips": 2}, {"xsub/train": 1}, {"xsub/test": 2}])
def test_counts_must_agree(source: Path, tmp_path: Path, wrong: Mapping[str, int]) -> None:
    with pytest.raises(DataError, match=f"{next(iter(wrong))}: found"):
        prepare(benchmark(wrong), [source], tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


def test_dropped_files_are_noted_but_never_excuse_extra_ones(source: Path, tmp_path: Path) -> None:
    source.write_text("one 1\nbad 1\nseven 3\n")
    path = prepare(benchmark({"clips": 3, "xsub/train": 2}), [source], tmp_path / "data")
    report = open_dataset(path).report()
    assert report["notes"] == [
        "clips: found 2 clips, expected 3; 1 dropped",
        "xsub/train: found 1 clips, expected 2; 1 dropped",
    ]
    assert report["dropped"] == {"bad 1": "unreadable"}
    with pytest.raises(DataError, match="found 2 clips, expected 1"):
        prepare(benchmark({"clips": 1}), [source], tmp_path / "data")
    verify_dataset(path)


def test_an_empty_part_counts_as_none(source: Path, tmp_path: Path) -> None:
    source.write_text("one 1\n")
    with pytest.raises(DataError, match="xsub/test: found 0 clips, expected 1"):
        prepare(benchmark({"xsub/test": 1}), [source], tmp_path / "data")


def test_wrong_sources(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"needs its source.*sslskel data prepare toy --source PATH"):
        prepare(benchmark(), [], tmp_path)
    with pytest.raises(DataError, match="nowhere' of benchmark 'toy' does not exist"):
        prepare(benchmark(), [tmp_path / "nowhere"], tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty folder"):
        prepare(benchmark(), [tmp_path / "empty"], tmp_path)
    with pytest.raises(UsageError, match="makes its own data"):
        prepare(EMBEDDED, [tmp_path / "empty"], tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["empty"]


def test_opening_what_is_not_prepared_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'toy' is not prepared .*run 'sslskel data prepare toy --source PATH'"):
        open_benchmark(benchmark(), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", [{"version": 3}, {"fps": 25.0}, {"classes": ("sit", "walk")}])
def test_a_dataset_of_another_version_is_refused(source: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    prepare(benchmark(), [source], tmp_path / "data")
    with pytest.raises(DataError, match=r"prepared for version 2.*sslskel data prepare toy --source PATH"):
        open_benchmark(benchmark(info=replace(INFO, **change)), tmp_path / "data")
    open_benchmark(benchmark(info=replace(INFO, licence="CC-BY")), tmp_path / "data")


def test_embedded_is_prepared_on_first_use_and_after_a_change(tmp_path: Path) -> None:
    first = open_benchmark(EMBEDDED, tmp_path)
    assert len(first) == 12
    again = open_benchmark(EMBEDDED, tmp_path)
    assert again.joints.filename == first.joints.filename
    newer = replace(EMBEDDED, info=replace(INFO, version=3))
    assert open_benchmark(newer, tmp_path).info.version == 3
    assert [p.name for p in tmp_path.iterdir()] == ["toy"]


def test_damage_is_named_with_the_command(tmp_path: Path) -> None:
    path = open_benchmark(EMBEDDED, tmp_path).path
    (path / "labels.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"labels\.npy.*run 'sslskel data prepare toy'"):
        open_benchmark(EMBEDDED, tmp_path)
    prepare(EMBEDDED, [], tmp_path)
    dataset = open_benchmark(EMBEDDED, tmp_path)
    content = bytearray((path / "joints.npy").read_bytes())
    content[-1] ^= 4
    (path / "joints.npy").write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"joints\.npy' is damaged.*run 'sslskel data prepare toy'"):
        dataset.verify()


def _open(root: Path, results: Any) -> None:
    dataset = open_benchmark(EMBEDDED, root)
    dataset.verify()
    results.put(dataset.fingerprint)


def test_many_processes_may_use_an_embedded_benchmark_first(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    users = [context.Process(target=_open, args=(tmp_path / "data", results)) for _ in range(6)]
    for user in users:
        user.start()
    prints = {results.get(timeout=60) for _ in users}
    for user in users:
        user.join(60)
        assert user.exitcode == 0
    assert len(prints) == 1
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["toy"]
