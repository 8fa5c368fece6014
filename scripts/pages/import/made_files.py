"""Makes files in the format of NTU RGB+D, about as large as real ones; the motion in them is random."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path

import numpy as np

from sslskel.benchmarks.common.ntu.importing import missing_names

JOINTS, ZEROS = 25, "0 0 0 0 0 0 -0.1804605 -0.0819601 2"
MEAN_FRAMES, SPREAD, LEAST, MOST = 84, 40, 24, 300
"""Frames per recording; those of NTU RGB+D are 32 to 300 long, about 84 in the mean."""
TWO_PERSONS = 0.3


def make_files(folder: Path, number: int, seed: int = 0) -> int:
    """Write ``number`` files under names that exist in the dataset's numbering; returns their bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    draw, written = np.random.default_rng(seed), 0
    for name in islice(names(), number):
        text = made_text(draw).encode("ascii")
        (folder / f"{name}.skeleton").write_bytes(text)
        written += len(text)
    return written


def make_zip(path: Path, number: int) -> None:
    """Write a zip of ``number`` files of one body in one frame: any number of clips, and small."""
    numbers = " ".join(["0.1 0.2 3.1", *["0"] * 8, "2"])
    text = "\r\n".join(["1", "1", f"{72057594038600000} {ZEROS}", str(JOINTS), *[numbers] * JOINTS, ""])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in islice(names(), number):
            archive.writestr(f"{name}.skeleton", text)


def names() -> Iterator[str]:
    """Names of the dataset's files, without those that preparing leaves out."""
    for setup, subject, camera, action in product(range(1, 18), range(1, 41), range(1, 4), range(1, 61)):
        name = f"S{setup:03}C{camera:03}P{subject:03}R001A{action:03}"
        if name not in missing_names():
            yield name


def made_text(draw: np.random.Generator) -> str:
    """One file: CRLF, seven significant digits in every field, as the real ones are written."""
    frames = int(np.clip(draw.normal(MEAN_FRAMES, SPREAD), LEAST, MOST))
    bodies = 1 + int(draw.random() < TWO_PERSONS)
    still = draw.normal(0, 1, (bodies, 1, JOINTS, 3)) * (0.15, 0.5, 0.1) + (0, 0, 3)
    joints = still + np.cumsum(draw.normal(0, 0.01, (bodies, frames, JOINTS, 3)), axis=1)
    other = draw.normal(0, 1, (bodies, frames, JOINTS, 8)) * (200, 200, 800, 800, 1, 1, 1, 1)
    numbers = np.concatenate([joints, other], axis=3)
    lines = [str(frames)]
    for frame in range(frames):
        lines.append(str(bodies))
        for body in range(bodies):
            lines += [f"{72057594038600000 + body} {ZEROS}", str(JOINTS)]
            lines += [" ".join(f"{value:.7g}" for value in row) + " 2" for row in numbers[body, frame].tolist()]
    return "\r\n".join(lines) + "\r\n"
