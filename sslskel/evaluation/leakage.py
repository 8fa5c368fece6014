"""Which clips a pretraining saw, and how many of the clips an encoder is judged on were among them.

A clip is known again by the name of its recording, which benchmarks that share recordings
share too; by its frames, which catch copies under another name; and by its movement, which catches
those in another unit, turned or rounded. For what a board does
with a count see the leaderboard.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np

from sslskel.api.benchmark import Benchmark
from sslskel.api.dataset import Bools, Dataset, Ints
from sslskel.data.duplicates.poses import clip_ids
from sslskel.errors import CheckpointError
from sslskel.hashing import stable_id
from sslskel.results.facts import SeenFacts

IDS: tuple[Literal["recordings", "frames"], ...] = ("recordings", "frames")
"""Two ways in which a clip is known again."""
MOVEMENTS: Literal["movements"] = "movements"
"""The third one, which early checkpoints lack."""


def seen_part(benchmark: Benchmark, dataset: Dataset, split: str, part: str) -> SeenFacts:
    """What a checkpoint says of one part of a split that it was trained on, JSON.

    ``clips`` counts them; ``recordings``, ``frames`` and ``movements`` are their 64-bit ids, packed as text
    (about 11 characters each, a clip has three movements), by which :func:`judged_seen` finds them again.
    """
    return seen_rows(benchmark, dataset, benchmark.split(split).part(dataset, part), split, part)


def seen_rows(benchmark: Benchmark | None, dataset: Dataset, rows: Ints, split: str, part: str) -> SeenFacts:
    """As :func:`seen_part`, of any clips; where no benchmark tells recordings apart, a clip's name does."""
    recordings, frames = _recordings(benchmark, dataset, rows), _frames(dataset, rows)
    return {
        "dataset": dataset.info.name,
        "fingerprint": dataset.fingerprint,
        "split": split,
        "part": part,
        "clips": len(rows),
        "recordings": _packed(recordings),
        "frames": _packed(frames),
        "movements": _packed(clip_ids(dataset, rows)),
    }


def judged_seen(
    seen: Iterable[SeenFacts], benchmark: Benchmark, dataset: Dataset, split: str, test: Ints | None = None
) -> tuple[SeenFacts, ...]:
    """What a record says of each part that the encoder saw: without the ids, with what they showed.

    ``overlap`` is the number of clips of this split's test part that were among them, by
    recording, frames or movement; ``sha256`` stands for the list of recordings. Both are absent
    where an older checkpoint holds no ids. ``test`` are the rows of the test part where they are
    resolved already. Raises ``CheckpointError`` for ids that are damaged.
    """
    entries = [entry.copy() for entry in seen]
    if not any(name in entry for entry in entries for name in (*IDS, MOVEMENTS)):
        return tuple(entries)
    rows = benchmark.split(split).part(dataset, "test") if test is None else test
    ours = _ids(benchmark, dataset, rows, any(MOVEMENTS in entry for entry in entries))
    return tuple(_judged(entry, ours) for entry in entries)


class KnownClips:
    """Clips that are known again in any dataset, by recording, frames or movement as the clips of checkpoints are."""

    def __init__(self) -> None:
        self._ids = {str(name): np.zeros(0, np.int64) for name in (*IDS, MOVEMENTS)}

    def add(self, benchmark: Benchmark | None, dataset: Dataset, rows: Ints) -> None:
        """Remember the clips in these rows."""
        for name, ids in _ids(benchmark, dataset, rows).items():
            self._ids[name] = np.union1d(self._ids[name], ids.ravel())

    def among(self, benchmark: Benchmark | None, dataset: Dataset, rows: Ints) -> Bools:
        """(n,) which of the clips in these rows (n,) are known."""
        return _same(_ids(benchmark, dataset, rows), self._ids)


def _ids(benchmark: Benchmark | None, dataset: Dataset, rows: Ints, movements: bool = True) -> dict[str, Ints]:
    ids = {"recordings": _recordings(benchmark, dataset, rows), "frames": _frames(dataset, rows)}
    return {**ids, MOVEMENTS: clip_ids(dataset, rows)} if movements else ids


def _same(ours: Mapping[str, Ints], theirs: Mapping[str, Ints]) -> Bools:
    """(n,) which of our clips are among theirs: a clip has several ids of its movement, and any of them is enough."""
    known = np.zeros(len(ours["recordings"]), bool)
    for name, ids in theirs.items():
        hits = np.isin(ours[name], ids) & (ours[name] != 0)
        known |= hits if hits.ndim == 1 else hits.any(1)
    return known


def _judged(entry: SeenFacts, ours: Mapping[str, Ints]) -> SeenFacts:
    packed = {name: entry.pop(name) for name in (*IDS, MOVEMENTS) if name in entry}
    theirs = {str(name): _unpacked(text, entry["dataset"]) for name, text in packed.items()}
    if not theirs.keys() >= set(IDS):
        return entry
    known = _same(ours, theirs)
    digest = hashlib.sha256(theirs["recordings"].astype("<i8").tobytes()).hexdigest()
    return {**entry, "overlap": int(known.sum()), "sha256": digest}


def _recordings(benchmark: Benchmark | None, dataset: Dataset, rows: Ints) -> Ints:
    """One id per clip, the same for all clips of one recording in all benchmarks that share it."""
    pool, names = (benchmark and benchmark.recordings) or dataset.info.name, dataset.names
    if dataset.untrimmed is not None and dataset.recording is not None:
        names, rows = dataset.untrimmed.names, dataset.recording[rows]
    return np.array([stable_id(pool, str(names[row])) for row in rows], np.int64)


def _frames(dataset: Dataset, rows: Ints) -> Ints:
    """One id per clip, the same for clips whose persons move alike to the last bit; 0 where no person moves."""
    joints = np.asarray(dataset.joints)
    first = np.searchsorted(dataset.track_clip, rows)
    last = np.searchsorted(dataset.track_clip, rows, side="right")
    ids = np.zeros(len(rows), np.int64)
    for place, (begin, end) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        digest, moves = hashlib.blake2b(digest_size=8), False
        for track in range(begin, end):
            offset = int(dataset.track_offset[track])
            frames = np.ascontiguousarray(joints[offset : offset + int(dataset.track_length[track])])
            digest.update(frames.astype(frames.dtype.newbyteorder("<"), copy=False).tobytes())
            moves = moves or bool(frames.any())
        if moves:
            ids[place] = np.frombuffer(digest.digest(), "<i8")[0]
    return ids


def _packed(ids: Ints) -> str:
    """Ids as text: sorted, each once, 0 left out."""
    unique = np.unique(ids)
    return base64.b64encode(unique[unique != 0].astype("<i8").tobytes()).decode("ascii")


def _unpacked(text: str, dataset: str) -> Ints:
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), "<i8").astype(np.int64)
    except (binascii.Error, TypeError, ValueError) as fault:
        raise CheckpointError(
            f"the checkpoint's list of clips of '{dataset}' is damaged ({fault}); pretrain again"
        ) from fault
