"""The store of prepared datasets: written once and atomically, opened in milliseconds, verified on demand.

What the bytes of the files mean is in ``format.py``; which clips are fit to be
stored is decided in ``rows.py``.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sslskel.api.benchmark import ImportReport
from sslskel.api.copies import SharedFrames
from sslskel.api.dataset import Bools, Clip, Dataset, DatasetInfo, Ints, Segments
from sslskel.data.duplicates.kept import kept_copies
from sslskel.data.store.format import (
    MANIFEST,
    FileFact,
    fact_of,
    fingerprint,
    info_from_json,
    info_to_json,
    mapped_array,
    parse_array,
    read_manifest,
    write_array,
    write_json,
    write_manifest,
)
from sslskel.data.store.grow import Continued, Rows, writing
from sslskel.data.store.journal import Journal
from sslskel.data.store.reported import require_reported
from sslskel.data.store.rows import CLIP_FIELDS, TRACK_FIELDS, Index
from sslskel.data.store.segments import SEGMENT_FIELDS, checked_segments, cut_clips
from sslskel.errors import DataError, RunError
from sslskel.files import file_system_time, name_folder, parse_json, read_regular, temporary_name
from sslskel.progress import SILENT, Reporter
from sslskel.version import __version__

_INDEX = ("names", *CLIP_FIELDS, *TRACK_FIELDS)
_CUT = ("segment_clip", *SEGMENT_FIELDS)
"""Index of what is annotated in recordings; a dataset of clips alone has none of it."""
_HINT = "prepare it again with 'sslskel data prepare'"
_STALE_SECONDS = 86400.0


class StoredDataset:
    """A prepared dataset, opened; fields as in :class:`sslskel.api.dataset.Dataset`.

    Of a dataset of untrimmed recordings it is the clips that are cut from them; ``untrimmed``
    is the recordings, over the same memory maps.

    Index arrays are read and their digests checked; ``joints`` and ``valid`` are
    memory maps whose length and header are checked, and whose content
    :meth:`verify` checks.
    """

    names: npt.NDArray[np.str_]
    keys: Ints
    labels: Ints
    lengths: Ints
    subjects: Ints
    cameras: Ints
    setups: Ints
    track_clip: Ints
    track_slot: Ints
    track_begin: Ints
    track_length: Ints
    track_offset: Ints
    joints: npt.NDArray[Any]
    valid: Bools
    lists: Ints
    untrimmed: Dataset | None = None
    recording: Ints | None = None
    segments: Segments | None = None

    def __init__(self, path: Path, info: DatasetInfo, digest: str, facts: Mapping[str, FileFact], hint: str) -> None:
        self.path, self.info, self.fingerprint = path, info, digest
        self._facts, self._hint = dict(facts), hint
        self._copies: tuple[SharedFrames, ...] | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def verify(self) -> None:
        """Read every file once, in pieces of 4 MiB, and compare it with the manifest.

        Raises ``DataError`` naming the first damaged file.
        """
        for name, fact in self._facts.items():
            _require_same(self.path / name, fact, fact_of(self.path / name), self._hint)

    def copies(self, reporter: Reporter = SILENT) -> tuple[SharedFrames, ...]:
        """Pairs of clips that hold the same frames: those kept beside the data, or searched for once (two minutes
        for ten million frames)."""
        if self._copies is None:
            self._copies = kept_copies(self, reporter)
        return self._copies

    def beside(self, name: str) -> dict[str, Any]:
        """A JSON file that was written with the dataset; raises ``DataError`` where there is none or it is damaged."""
        if name not in self._facts:
            raise DataError(f"'{self.path}' has no {name}; {self._hint}")
        return _object(self.path / name, self._facts, self._hint)

    def report(self) -> dict[str, Any]:
        """What an ``ImportReport`` holds, and ``counts`` of clips, rows and dropped clips.

        Raises ``DataError`` where it holds something else.
        """
        file = self.path / "report.json"
        report = _object(file, self._facts, self._hint)
        require_reported(report, file, self._hint)
        return report


def open_dataset(path: Path | str, hint: str = _HINT) -> StoredDataset:
    """Open a prepared dataset in milliseconds; ``hint`` says in an error what to do.

    Checks the presence and size of every file and the content of all but
    ``joints.npy`` and ``valid.npy``. Raises ``DataError`` naming the damaged file.
    """
    folder = Path(path)
    facts = read_manifest(folder, hint)
    for name in ("info.json", "report.json", "joints.npy", "valid.npy"):
        if name not in facts:
            raise DataError(f"'{folder / MANIFEST}' does not list {name}; {hint}")
    for name, fact in facts.items():
        try:
            size = (folder / name).stat().st_size
        except OSError:
            raise DataError(f"'{folder / name}' is missing; {hint}") from None
        if size != fact.size:
            raise DataError(f"'{folder / name}' has {size} bytes, expected {fact.size}; {hint}")
    _verified(folder / "report.json", facts, hint)
    data = _object(folder / "info.json", facts, hint)
    try:
        info, digest, dtype = info_from_json(data["info"]), str(data["fingerprint"]), np.dtype(data["dtype"])
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise DataError(f"'{folder / 'info.json'}' has no valid {fault}; {hint}") from fault
    if digest != fingerprint(info, facts):
        raise DataError(f"'{folder}' does not match the fingerprint it was written with; {hint}")
    dataset = StoredDataset(folder, info, digest, facts, hint)
    for field in _INDEX:
        setattr(dataset, field, _column(folder, field, facts, hint))
    dataset.lists = _column(folder, "lists", facts, hint) if info.lists else np.zeros_like(dataset.keys)
    rows = _checked_rows(dataset)
    if rows is None or dtype not in (np.float32, np.float16):
        raise DataError(f"'{folder}' has an inconsistent index; {hint}")
    shape = (rows, info.layout.num_joints, info.coordinates)
    dataset.joints = mapped_array(folder / "joints.npy", dtype, shape, hint)
    dataset.valid = mapped_array(folder / "valid.npy", np.dtype(np.bool_), (rows,), hint)
    return dataset if f"{_CUT[0]}.npy" not in facts else _cut(dataset, facts, hint)


def _column(folder: Path, field: str, facts: Mapping[str, FileFact], hint: str) -> npt.NDArray[Any]:
    """A read-only index array."""
    if f"{field}.npy" not in facts:
        raise DataError(f"'{folder / MANIFEST}' does not list {field}.npy; {hint}")
    array = parse_array(_verified(folder / f"{field}.npy", facts, hint))
    array.flags.writeable = False
    return array


def _cut(recordings: StoredDataset, facts: Mapping[str, FileFact], hint: str) -> StoredDataset:
    """The clips of a dataset of recordings."""
    columns = {field: _column(recordings.path, field, facts, hint) for field in _CUT}
    recordings.segments = checked_segments(columns, recordings.lengths)
    if recordings.segments is None:
        raise DataError(f"'{recordings.path}' has inconsistent annotations; {hint}")
    clips = StoredDataset(recordings.path, recordings.info, recordings.fingerprint, facts, hint)
    clips.untrimmed = recordings
    for field, value in cut_clips(recordings, recordings.segments, columns).items():
        setattr(clips, field, value)
    return clips


def verify_dataset(path: Path | str, hint: str = _HINT) -> None:
    """Check every byte of a prepared dataset; raises ``DataError`` naming the damaged file."""
    open_dataset(path, hint).verify()


def _checked_rows(dataset: StoredDataset) -> int | None:
    """Number of stored rows, or None where index arrays do not fit each other (a foreign writer)."""
    numbers = [getattr(dataset, field) for field in (*CLIP_FIELDS, "lists", *TRACK_FIELDS)]
    if dataset.names.dtype.kind != "U" or any(array.dtype != np.int64 or array.ndim != 1 for array in numbers):
        return None
    clips, tracks = len(dataset.names), len(dataset.track_clip)
    if [len(array) for array in numbers] != [clips] * (len(CLIP_FIELDS) + 1) + [tracks] * len(TRACK_FIELDS):
        return None
    ends = dataset.track_length.cumsum()
    tiled = np.array_equal(dataset.track_offset, ends - dataset.track_length) and bool((dataset.track_length > 0).all())
    owned = bool(
        (np.diff(dataset.track_clip) >= 0).all() and ((dataset.track_clip >= 0) & (dataset.track_clip < clips)).all()
    )
    return int(ends[-1]) if tracks and tiled and owned else None


def _require_same(path: Path, expected: FileFact, actual: FileFact, hint: str) -> None:
    if actual != expected:
        raise DataError(f"'{path}' is damaged: its content does not match {MANIFEST}; {hint}")


def _verified(path: Path, facts: Mapping[str, FileFact], hint: str) -> bytes:
    """Content of a small file whose digest is right."""
    try:
        content = read_regular(path, None)
    except OSError as fault:
        raise DataError(f"'{path}' cannot be read ({fault.strerror}); {hint}") from fault
    _require_same(path, facts[path.name], FileFact(len(content), hashlib.sha256(content).hexdigest()), hint)
    return content


def _object(path: Path, facts: Mapping[str, FileFact], hint: str) -> dict[str, Any]:
    """What a small JSON file says, whose digest is right."""
    try:
        data = parse_json(_verified(path, facts, hint).decode("utf-8"))
    except ValueError as fault:
        raise DataError(f"'{path}' cannot be read ({fault}); {hint}") from fault
    if not isinstance(data, dict):
        raise DataError(f"'{path}' holds no JSON object; {hint}")
    return data


def write_dataset(
    target: Path | str,
    info: DatasetInfo,
    clips: Iterable[Clip] | Continued,
    *,
    float16: bool = False,
    report: ImportReport | None = None,
    check: Callable[[StoredDataset, ImportReport], None] | None = None,
    beside: Mapping[str, Mapping[str, object]] | None = None,
    most_persons: bool = False,
) -> str:
    """Stream clips into a new prepared dataset and return its fingerprint.

    Clips are checked one by one and never all held in memory. ``report`` is read
    once the last clip is in; ``check`` sees the finished dataset before anyone
    else and may add notes or raise. ``beside`` are further JSON files to keep with it,
    by name. With ``most_persons``, ``info.persons`` is only a limit, and what is stored is
    the largest number of persons that a clip has. A dataset that already lies at ``target`` is
    kept if it is the same, and replaced otherwise.

    Raises ``DataError`` for a clip that cannot be stored (naming it) or a target
    that is something else, ``RunError`` for a full disk. In every such case, and
    on Ctrl-C, nothing appears under ``target``. What ``Continued`` clips had reached
    waits in a hidden folder beside it for the next call.
    """
    target, report = Path(target), report if report is not None else ImportReport()
    beside = beside or {}
    index = Index(info, np.float16 if float16 else np.float32)
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _refuse_foreign(target)
        _remove_stale(target)
        journal = _journal(target, index) if callable(clips) else None
        temporary = journal.folder if journal else _new_folder(target)
    done = False
    try:
        with Rows(temporary, target, index, journal) as rows:
            rows.take(clips(rows.states) if callable(clips) else iter(clips))
        with writing(target):
            if most_persons:
                index.info = replace(info, persons=index.most_persons())
            digest = _write_index(temporary, index, report, check, beside)
            done = True
            return _publish(temporary, target, digest, beside)
    finally:
        if journal is None or done:
            shutil.rmtree(temporary, ignore_errors=True)
        if journal is not None:
            journal.close()


def _new_folder(target: Path) -> Path:
    folder = temporary_name(target)
    folder.mkdir()
    return folder


def _journal(target: Path, index: Index) -> Journal | None:
    """The journal of an unfinished import of this dataset; None where another process is at it."""
    header = {"info": info_to_json(index.info), "dtype": index.dtype.name, "by": __version__}
    try:
        return Journal(target.parent / f".{target.name}.part", header)
    except BlockingIOError:
        return None


def _write_index(
    folder: Path,
    index: Index,
    report: ImportReport,
    check: Callable[[StoredDataset, ImportReport], None] | None,
    beside: Mapping[str, Mapping[str, object]],
) -> str:
    """Write everything but the rows; returns the fingerprint."""
    for field, array in index.arrays().items():
        write_array(folder / f"{field}.npy", array)
    info = replace(index.info, source={**index.info.source, **report.source})
    for name, content in beside.items():
        write_json(folder / name, content)
    facts = {path.name: fact_of(path) for path in sorted((*folder.glob("*.npy"), *map(folder.joinpath, beside)))}
    digest = fingerprint(info, facts)
    write_json(folder / "info.json", {"info": info_to_json(info), "fingerprint": digest, "dtype": index.dtype.name})
    facts["info.json"] = fact_of(folder / "info.json")
    _write_report(folder, index, report, facts)
    if check is not None:
        check(open_dataset(folder), report)
        _write_report(folder, index, report, facts)
    return digest


def _write_report(folder: Path, index: Index, report: ImportReport, facts: Mapping[str, FileFact]) -> None:
    counts = {**index.counts(), "dropped": len(report.dropped)}
    data = {
        "dropped": report.dropped,
        "faults": report.faults,
        "tally": report.tally,
        "notes": report.notes,
        "source": report.source,
        "expected": report.counts,
        "plan": report.plan,
        "counts": counts,
    }
    write_json(folder / "report.json", data)
    write_manifest(folder, {**facts, "report.json": fact_of(folder / "report.json")})


def _publish(temporary: Path, target: Path, digest: str, beside: Mapping[str, Mapping[str, object]]) -> str:
    """Give a finished dataset its name; of two equal writers the second discards its own."""
    for _ in range(10):
        if _same_exists(target, digest, beside):
            return digest
        try:
            name_folder(temporary, target)
        except OSError as fault:
            if fault.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            # Another writer may have been faster by a moment; its readers must not find it gone.
            if not _same_exists(target, digest, beside):
                _set_aside(target)
        else:
            return digest
    raise RunError(f"'{target}' is being replaced by other processes repeatedly; let one of them finish")


def _same_exists(target: Path, digest: str, beside: Mapping[str, Mapping[str, object]]) -> bool:
    """Whether a valid dataset with this fingerprint, and the same files beside it, already has the name."""
    try:
        existing = open_dataset(target)
        existing.verify()
        return existing.fingerprint == digest and all(existing.beside(name) == beside[name] for name in beside)
    except (DataError, OSError):
        return False


def _set_aside(target: Path) -> None:
    """Remove the older dataset; whoever has it mapped keeps reading it."""
    _refuse_foreign(target)
    old = temporary_name(target)
    with suppress(FileNotFoundError):
        target.rename(old)
        shutil.rmtree(old, ignore_errors=True)


def _refuse_foreign(target: Path) -> None:
    """Never replace something that this store did not write."""
    try:
        held = set(os.listdir(target))
    except FileNotFoundError:  # also when another writer sets it aside at this moment
        return
    except NotADirectoryError:
        held = {target.name}
    if not held or held & {MANIFEST, "info.json", "joints.npy"}:
        return
    raise DataError(f"'{target}' exists and is not a prepared dataset; move it away or choose another folder")


def _remove_stale(target: Path) -> None:
    """Remove what a killed writer left behind, once it is a day old by the clock that wrote it."""
    for left in target.parent.glob(f".{target.name}.tmp-*"):
        with suppress(OSError):
            newest = max(path.stat().st_mtime for path in (left, *left.iterdir()))
            if file_system_time(target.parent) - newest > _STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
