"""Sources of small datasets made up in the original form, and the manifests of the recorded ones."""

from __future__ import annotations

import csv
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sslskel.api.benchmark import Benchmark, ImportReport
from sslskel.api.dataset import Clip, Dataset
from sslskel.checks import check_dataset
from sslskel.data.prepare import open_benchmark, prepare
from sslskel.data.store.store import StoredDataset
from sslskel.errors import DataError

Rows = dict[str, dict[str, str]]
"""Clip name -> what the manifest says of it."""


def manifest(shared: Path, folder: str, clip_of: Callable[[str], str]) -> Rows:
    """The manifest of a recorded dataset; ``clip_of`` makes a clip's name of a file's."""
    with (shared / "data" / folder / "manifest.csv").open() as file:
        return {clip_of(row["file"]): row for row in csv.DictReader(file)}


def opened(benchmark: Benchmark, source: Path, root: Path) -> StoredDataset:
    """A benchmark prepared from a source, which passes every check of datasets."""
    prepare(benchmark, [source], root)
    dataset = open_benchmark(benchmark, root)
    failed = [result for result in check_dataset(benchmark, dataset=dataset) if not result.passed]
    assert not failed
    return dataset


def joints_of(dataset: Dataset, clip: int) -> npt.NDArray[Any]:
    """(T, V, C) of the first person of a clip."""
    track = int(np.searchsorted(dataset.track_clip, clip))
    first = dataset.track_offset[track]
    return np.asarray(dataset.joints[first : first + dataset.track_length[track]])


def assert_is_the_manifest(dataset: Dataset, rows: Rows, unit: float = 1.0) -> None:
    """Names, labels, class names, lengths and mean positions; ``unit`` is metres per unit of the manifest."""
    assert sorted(dataset.names.tolist()) == sorted(rows)
    for clip, name in enumerate(dataset.names.tolist()):
        row = rows[name]
        assert dataset.labels[clip] == int(row["label_1based"]) - 1, name
        assert dataset.info.classes[dataset.labels[clip]] == row["class"], name
        assert dataset.lengths[clip] == int(row["frames"]), name
        stated = [float(row[key]) * unit for key in row if key.startswith("mean_")]
        tracks = np.flatnonzero(dataset.track_clip == clip)
        end = dataset.track_offset[tracks[-1]] + dataset.track_length[tracks[-1]]
        mean = np.asarray(dataset.joints[dataset.track_offset[tracks[0]] : end]).mean((0, 1), dtype=np.float64)
        np.testing.assert_allclose(mean, stated, atol=2e-6, err_msg=name)


def shared_frames(dataset: Dataset) -> dict[tuple[str, str], int]:
    """Pairs of clips with frames in common, to the last bit, and the number of these."""
    owners: dict[bytes, set[str]] = {}
    for clip, name in enumerate(dataset.names.tolist()):
        for frame in joints_of(dataset, clip):
            owners.setdefault(frame.tobytes(), set()).add(name)
    return dict(Counter((min(names), max(names)) for names in owners.values() if len(names) > 1))


def assert_parts(benchmark: Benchmark, dataset: Dataset, split: str, rows: Rows, column: str) -> None:
    """Training and test part are what a column of the manifest says."""
    for part in ("train", "test"):
        names = set(dataset.names[benchmark.split(split).part(dataset, part)].tolist())
        assert names == {name for name, row in rows.items() if row[column] == part}


def zipped(path: Path, files: Mapping[str, str]) -> Path:
    """An archive of text files."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def read(benchmark: Benchmark, folder: Path, files: Mapping[str, str | bytes]) -> tuple[list[Clip], ImportReport]:
    """Clips of a folder with these files, and the report."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    report = ImportReport()
    return list(benchmark.read([folder], report)), report


def refused(benchmark: Benchmark, folder: Path, files: Mapping[str, str | bytes]) -> str:
    """The sentence by which a source of these files is refused; it names one of them."""
    with pytest.raises(DataError) as fault:
        read(benchmark, folder, files)
    message = str(fault.value)
    assert "\n" not in message
    return message


def assert_incomplete_is_refused(benchmark: Benchmark, folder: Path, files: Mapping[str, str]) -> None:
    """A source with too few clips is refused with the counts, and nothing of it stays."""
    source, root = folder / "source", folder / "root"
    read(benchmark, source, files)
    with pytest.raises(DataError, match=rf"found {len(files)} clips, expected {benchmark.expected['clips']}"):
        prepare(benchmark, [source], root)
    assert not [path for path in root.rglob("*") if path.is_file() and path.stat().st_size]


def frame_lines(frames: npt.NDArray[np.float64], delimiter: str = " ") -> str:
    """(T, ..., 3) as text, a line per frame."""
    return "".join(delimiter.join(f"{value:.4f}" for value in frame.reshape(-1)) + "\n" for frame in frames)


def joint_lines(frames: npt.NDArray[np.float64]) -> str:
    """(T, V, 3) as text, a line per joint."""
    return frame_lines(frames.reshape(-1, 1, 3))


def moving(joints: int, frames: int = 3, seed: int = 0, unit: float = 1.0) -> npt.NDArray[np.float64]:
    """(T, V, 3) positions within a few metres, in ``unit`` per metre."""
    return (np.random.default_rng(seed).normal(size=(frames, joints, 3)) * unit).round(3)
