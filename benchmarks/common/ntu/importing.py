"""From the files of NTU RGB+D, in folders or zips as they arrive, to clips: one file, one clip.

How a file reads is in ``sslskel.data.motion``, what a recipe makes of its bodies in a module each.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from sslskel import Clip, ImportReport
from sslskel.benchmarks.common.ntu.actors import Recipe
from sslskel.data.motion.skeleton_file import read_skeleton
from sslskel.data.sources.archives import SourceFile
from sslskel.data.sources.pieces import Made, Piece, require_files

SUFFIX = ".skeleton"
FILE_LIMIT = 12 << 20
"""Bytes; the longest recording with six bodies has about 6 MB."""
CAMERAS, REPLICATIONS = 3, 2
BEHIND = "files with lines behind their last frame, which are not read"
LISTED = "its name is on the published list of samples with missing or incomplete skeletons"

_NAME = re.compile(r"S([0-9]{3})C([0-9]{3})P([0-9]{3})R([0-9]{3})A([0-9]{3})\.skeleton", re.IGNORECASE)


@dataclass(frozen=True)
class Edition:
    """Which files belong to NTU RGB+D, and which to its extension."""

    setups: int
    subjects: int
    classes: int


@dataclass(frozen=True)
class Place:
    """What a file's name states: setup, camera, subject, replication and action, all from 1."""

    setup: int
    camera: int
    subject: int
    replication: int
    action: int

    def fits(self, edition: Edition) -> bool:
        """Whether an edition has such a file."""
        limits = (edition.setups, CAMERAS, edition.subjects, REPLICATIONS, edition.classes)
        numbers = (self.setup, self.camera, self.subject, self.replication, self.action)
        return all(1 <= number <= limit for number, limit in zip(numbers, limits, strict=True))


NTU60 = Edition(setups=17, subjects=40, classes=60)
NTU120 = Edition(setups=32, subjects=106, classes=120)


def plan(
    edition: Edition, recipe: Recipe, copied: bool, files: Sequence[SourceFile], report: ImportReport
) -> list[Piece]:
    """One piece per file, in the order of the names; ``copied`` gives a clip of one person a second, equal one.

    Names on the published list are dropped; files of the extension are passed over where the
    first edition is asked for; a file of another name is a fault.
    """
    pieces, beyond, missing = [], 0, missing_names()
    for file in files:
        match = _NAME.fullmatch(file.name)
        place = Place(*map(int, match.groups())) if match else None
        name = file.name[: -len(SUFFIX)].upper()
        if place is None or not place.fits(NTU120):
            pieces.append(Piece(file.name, (file,), misnamed))
        elif not place.fits(edition):
            beyond += 1
        elif name in missing:
            report.dropped[name] = LISTED
        else:
            pieces.append(Piece(file.name, (file,), partial(make, recipe, copied, place, name)))
    if beyond:
        report.notes.append(f"{beyond} files of the extension (setups 18 to 32) were passed over")
    require_files([file for piece in pieces for file in piece.files], "file of this edition of NTU RGB+D")
    return pieces


def make(recipe: Recipe, copied: bool, place: Place, name: str, file: SourceFile) -> Made:
    """The clip of one file; raises ``DataError`` naming file, line and fault where it is damaged."""
    recording = read_skeleton(file.read(), file.where)
    actors = recipe(recording, file.where)
    if copied and len(actors.joints) == 1:
        actors = replace(actors, joints=np.repeat(actors.joints, 2, axis=0), valid=np.repeat(actors.valid, 2, axis=0))
    clip = Clip(
        name,
        place.action - 1,
        actors.valid.shape[1],
        actors.tracks(),
        subject=place.subject,
        camera=place.camera,
        setup=place.setup,
    )
    return Made((clip,), tally={**actors.tally, **({BEHIND: 1} if recording.behind else {})})


def misnamed(file: SourceFile) -> Made:
    """The fault of a file whose name is not one of the dataset."""
    raise file.misnamed(f"a file of NTU RGB+D (S001C001P001R001A001{SUFFIX} to S032C003P106R002A120{SUFFIX})")


@lru_cache(maxsize=1)
def missing_names() -> frozenset[str]:
    """The 535 names of both editions that the authors ask to leave out; 302 belong to the first."""
    return frozenset(Path(__file__).with_name("missing.txt").read_text(encoding="ascii").split())
