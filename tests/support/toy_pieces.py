"""An importer of text files, one clip each, that other processes can import too."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import Any

import numpy as np

from sslskel.api.benchmark import Benchmark, ImportReport, Split
from sslskel.api.dataset import Clip, DatasetInfo, Track
from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.sources.archives import SourceFile
from sslskel.data.sources.pieces import Made, Piece, PieceImporter
from sslskel.errors import DataError

INFO = DatasetInfo("toy", 1, SkeletonLayout("pair", ("a", "b"), (-1, 0), 0), ("sit", "stand"), 30.0)
XSUB = Split("xsub", "subject", train=frozenset({0}), validation=frozenset())
read_names: list[str] = []


def make(file: SourceFile) -> Made:
    """A clip of as many frames as the file has characters; ``skip`` is dropped, ``bad`` is damaged."""
    text, name = file.read().decode(), file.name.removesuffix(".toy")
    read_names.append(name)
    if text == "bad":
        raise DataError(f"'{file.where}' is bad; fetch it again")
    if text == "skip":
        return Made(dropped={name: "a rule"}, tally={"skipped": 1})
    if text == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    joints = np.full((len(text), 2, 3), int(name), np.float32)
    track = Track(0, 0, joints, np.ones(len(joints), np.bool_))
    return Made((Clip(name, 0, len(joints), (track,), subject=int(name) % 2),), tally={"frames": len(joints)})


def plan(files: Sequence[SourceFile], report: ImportReport) -> list[Piece]:
    return [Piece(file.name, (file,), make) for file in files]


def toy(**changes: Any) -> Benchmark:
    read = PieceImporter((".toy",), plan, **changes)
    return Benchmark("toy", 1, "Toy", INFO, read, {"xsub": XSUB}, "xsub", "", "CC0", expected={"clips": 9})
