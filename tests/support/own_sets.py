"""Made-up sets of one's own, for the tests of their import: a folder of arrays, a table, a layout file."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml
from hypothesis import strategies as st

from sslskel.api.benchmark import Benchmark
from sslskel.data.prepare import open_benchmark
from sslskel.data.store.store import StoredDataset
from sslskel.plugins.registry import BENCHMARKS

Doubles = npt.NDArray[np.float64]
FORMATS = ("npy", "npz", "json", "csv")


@dataclass(frozen=True)
class Shape:
    """What the arrays of a set look like; ``parents`` hang joint j + 1 on one of the joints before it."""

    parents: tuple[int, ...]
    coordinates: int
    persons: int
    lengths: tuple[int, ...]
    seed: int = 0

    @property
    def joints(self) -> int:
        """V."""
        return len(self.parents) + 1

    def arrays(self) -> list[Doubles]:
        """(M, T, V, C) of every clip; every second clip shows one person less, as zeros."""
        rng = np.random.default_rng(self.seed)
        made = []
        for number, length in enumerate(self.lengths):
            array = rng.normal(3, 1, (self.persons, length, self.joints, self.coordinates)).astype(np.float32)
            if number % 2 and self.persons > 1:
                array[-1] = 0
            made.append(array.astype(np.float64))
        return made


def layout_text(shape: Shape, **more: str) -> str:
    """A layout file of this shape."""
    tree = {"j0": None} | {f"j{number}": f"j{parent}" for number, parent in enumerate(shape.parents, 1)}
    return yaml.safe_dump({"joints": tree, "fps": 25, **more}, sort_keys=False)


def write_array(path: Path, array: Doubles) -> None:
    """Write (M, T, V, C) in the format of the file's ending; CSV takes one person only."""
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".npz":
        np.savez(path, motion=array)
    elif path.suffix == ".json":
        path.write_text(json.dumps(array.tolist()))
    else:
        np.savetxt(path, array[0].reshape(array.shape[1], -1), delimiter=",", fmt="%.17g")


def write_set(folder: Path, shape: Shape, ending: str = "npy", **more: str) -> dict[str, Path]:
    """A whole set: clips c0, c1 ... of two actions and of three subjects in turn; returns the import's arguments."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, array in enumerate(shape.arrays()):
        write_array(folder / f"c{number}.{ending}", array)
        rows.append([f"c{number}.{ending}", ("sit", "stand")[number % 2], f"s{number % 3}"])
    return {"layout": write_layout(folder, shape, **more), "clips": write_table(folder, rows)}


def write_layout(folder: Path, shape: Shape, **more: str) -> Path:
    """The layout file of a set."""
    path = folder / "layout.yaml"
    path.write_text(layout_text(shape, **more))
    return path


def write_table(folder: Path, rows: list[list[str]], header: str = "file,label,subject") -> Path:
    """The labels table of a set."""
    path = folder / "clips.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])
    return path


CHAIN = Shape(parents=tuple(range(12)), coordinates=3, persons=1, lengths=(8,) * 6)
"""Thirteen joints in a row, six clips of eight frames."""


def opened(name: str = "mine") -> tuple[Benchmark, StoredDataset]:
    benchmark = BENCHMARKS.get(name)
    return benchmark, open_benchmark(benchmark)


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    joints = draw(st.integers(13, 60))
    return Shape(
        parents=tuple(draw(st.integers(0, number)) for number in range(joints - 1)),
        coordinates=draw(st.sampled_from([2, 3])),
        persons=draw(st.integers(1, 4)),
        lengths=tuple(draw(st.lists(st.integers(1, 40), min_size=4, max_size=7))),
        seed=draw(st.integers(0, 99)),
    )
