"""The results folder: one file per record, written once, by any number of processes at a time.

Nothing is shared between records, so folders of several machines can be joined by copying.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sslskel.errors import UsageError
from sslskel.files import publish, read_regular, writing_in
from sslskel.results import claims, failures
from sslskel.results.arrays import npz_arrays
from sslskel.results.claims import Claim, Holder
from sslskel.results.failures import FailedCell
from sslskel.results.pieces import Alike
from sslskel.results.record import Record, RecordError, UnknownRecord, parse_record

MOST_BYTES = 2**25
"""Of a record; one of a thousand classes has less than a hundredth of that."""
_log = logging.getLogger("sslskel")
Arrays = Mapping[str, npt.NDArray[Any]]


class ResultStore:
    """``records/``, ``predictions/``, ``outdated/``, ``failures/`` and ``claims/`` below one folder."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    def path(self, identity: str) -> Path:
        """Where a record lies, or would."""
        return self.folder / "records" / f"{identity}.json"

    def has(self, identity: str) -> bool:
        """True where a valid record exists; a damaged one counts as missing.

        Raises ``UnknownRecord`` for one that is neither readable nor missing: of a later version, a pipe, or a file
        that may not be read.
        """
        try:
            self.read(identity)
        except UnknownRecord:
            raise
        except (RecordError, UsageError):
            return False
        return True

    def read(self, identity: str) -> Record:
        """One record. Raises ``UsageError`` where it is missing, ``RecordError`` where it is damaged."""
        path = self.path(identity)
        try:
            return _parse(path.parent, path.name)
        except FileNotFoundError as fault:
            raise UsageError(f"there is no record {path}") from fault
        except OSError as fault:
            raise UnknownRecord(f"{path} cannot be read: {fault.strerror}; remove it or make it readable") from fault
        except RecordError as fault:
            raise type(fault)(f"{path}: {fault}") from fault

    def read_all(self) -> tuple[list[Record], list[tuple[Path, str]]]:
        """Every sound record by identity, and (file, reason) of each file that is not one."""
        records: list[Record] = []
        problems: list[tuple[Path, str]] = []
        alike = Alike()
        folder = self.folder / "records"
        try:
            # Names with a dot in front belong to writers at work, or to one that was killed; they were never results.
            names = sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith("."))
        except FileNotFoundError:
            return records, problems
        except OSError as fault:
            return records, [(folder, f"cannot be read: {fault.strerror}")]
        for name in names:
            try:
                if not name.endswith(".json"):
                    raise RecordError("not a record; records are called IDENTITY.json")
                records.append(_parse(folder, name, alike))
            except RecordError as fault:
                problems.append((folder / name, str(fault)))
            except OSError as fault:
                problems.append((folder / name, f"cannot be read: {fault.strerror}"))
        return records, problems

    def records(self) -> list[Record]:
        """Every valid record by identity; one line of warning names each file that is left out."""
        records, problems = self.read_all()
        for path, reason in problems:
            _log.warning("left out %s: %s", path, reason)
        return records

    def write(self, record: Record, predictions: Arrays | None = None) -> Record:
        """Keep a record and its predictions; returns what is on disk, which may be an earlier writer's.

        Predictions come first, so a record never points to a file that is not there, and are
        named by their content, so a later writer cannot change those of an earlier one. Raises
        ``RunError`` on a full disk; then there is no record and nothing half-written. Raises
        ``RecordError`` for a record that could not be read back. Notes of failures of its cell go.
        """
        if self.has(record.identity):
            return self.read(record.identity)
        content = b"" if predictions is None else _packed(predictions)
        if predictions is not None:
            digest = hashlib.sha256(content).hexdigest()
            name = f"predictions/{record.identity}-{digest[:12]}.npz"
            record = replace(record, predictions={"file": name, "sha256": digest})
        text = record.signed().to_json()
        parse_record(text)
        path = self.path(record.identity)
        with writing_in(self.folder, "a record"):
            if predictions is not None:
                publish(self.folder / name, content, replace_existing=True)
            if not publish(path, text.encode()) and not self.has(record.identity):
                self._keep_damaged(record.identity)
                publish(path, text.encode(), replace_existing=True)
        failures.forget(self.folder, record.identity)
        kept = self.read(record.identity)
        if predictions is not None and (kept.predictions is None or kept.predictions["file"] != name):
            (self.folder / name).unlink(missing_ok=True)
        return kept

    def set_aside(self, identity: str) -> Path:
        """Move a record to ``outdated/``, where nothing reads it, so that another may take its name."""
        with writing_in(self.folder, "an outdated record"):
            return self.path(identity).replace(self._free_name(identity))

    def _keep_damaged(self, identity: str) -> None:
        """Give a record that is replaced a second name; another writer may replace it at the same time."""
        with contextlib.suppress(OSError):
            os.link(self.path(identity), self._free_name(identity))

    def _free_name(self, identity: str) -> Path:
        number = 1
        while os.path.lexists(target := self.folder / "outdated" / f"{identity}-{number}.json"):
            number += 1
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def predictions(self, record: Record) -> dict[str, npt.NDArray[Any]]:
        """The arrays kept beside a record, one row per prediction; empty where it kept none.

        Raises ``RecordError`` where the file is missing, is not the one the record names, or holds no such rows.
        """
        if record.predictions is None:
            return {}
        path = self.folder / record.predictions["file"]
        try:
            content = read_regular(path, None)
        except OSError as fault:
            raise RecordError(
                f"{path}, which record {record.identity} names, cannot be read: {fault.strerror}"
            ) from fault
        if hashlib.sha256(content).hexdigest() != record.predictions["sha256"]:
            raise RecordError(f"{path} is not the file that record {record.identity} was written with: sha256 differs")
        try:
            arrays = npz_arrays(content)
        except ValueError as fault:
            raise RecordError(f"{path} holds no plain arrays: {fault}") from fault
        for name, array in arrays.items():
            if not _fits(name, array, arrays):
                raise RecordError(f"{path}: array '{name}' has shape {array.shape} and type {array.dtype}, no writer's")
        return arrays

    def fail(
        self,
        identity: str,
        fault: BaseException,
        command: str = "",
        cell: FailedCell | None = None,
        *,
        trace: bool = False,
    ) -> Path:
        """Note why a cell failed; the cell stays due. ``trace`` keeps the traceback beside the note."""
        return failures.note(self.folder, identity, fault, command, cell, trace=trace)

    def last_failure(self, identity: str) -> dict[str, Any]:
        """What the last :meth:`fail` of a cell noted; empty where there is none."""
        return failures.last(self.folder, identity)

    def claim(self, identity: str, needs: Sequence[str] | None = None) -> Claim | None:
        """Take a piece of work for this process; None while a live process holds it.

        Look again whether the work is still due once it is claimed: the last holder may have
        finished it. A claim of a process that died is taken over. ``needs`` as for :func:`claims.take`.
        """
        with writing_in(self.folder, "a claim"):
            return claims.take(self._claim_path(identity), needs)

    def holder(self, identity: str) -> Holder:
        """Who holds a piece of work."""
        return claims.holder_of(self._claim_path(identity))

    def holders(self) -> list[Holder]:
        """Whoever holds work in this folder, and whose work an error ended. Raises ``RunError``."""
        with writing_in(self.folder, "a claim"):
            return claims.noted(self.folder / "claims")

    def _claim_path(self, identity: str) -> Path:
        return self.folder / "claims" / f"{identity}.json"


def _packed(predictions: Arrays) -> bytes:
    """Arrays as the bytes of an ``.npz`` file; the same arrays give the same bytes."""
    objects = sorted(name for name, array in predictions.items() if array.dtype.hasobject)
    if objects:
        raise RecordError(f"predictions {', '.join(objects)} hold Python objects; only plain arrays can be kept")
    content = io.BytesIO()
    np.savez_compressed(content, **predictions)  # type: ignore[arg-type]
    return content.getvalue()


def _parse(folder: Path, name: str, alike: Alike | None = None) -> Record:
    try:
        record = parse_record(read_regular(os.path.join(folder, name), MOST_BYTES).decode("utf-8"), alike)
    except UnicodeDecodeError as fault:
        raise RecordError(f"not UTF-8 text: {fault}") from fault
    if f"{record.identity}.json" != name:
        raise RecordError(f"field 'identity' is '{record.identity}', but the file is called {name}")
    return record


def _fits(name: str, array: npt.NDArray[Any], arrays: Mapping[str, npt.NDArray[Any]]) -> bool:
    """Whether an array beside a record has one row per prediction, or is a confusion matrix or another that is kept."""
    rows = len(arrays["keys"]) if "keys" in arrays and arrays["keys"].ndim else -1
    if name in ("keys", "label", "draw", "epoch", "condition"):
        kind = "U" if name == "condition" else "iu"
        return array.ndim == 1 and array.dtype.kind in kind and len(array) == rows
    if name.startswith("value_"):
        predicted = name == "value_predicted"
        shaped = array.ndim == 1 if predicted else array.ndim > 0 and 0 not in array.shape[1:]
        return shaped and array.dtype.kind in ("iu" if predicted else "biuf") and len(array) == rows
    if name.startswith("confusion_"):
        return array.ndim == 2 and array.shape[0] == array.shape[1] > 0 and array.dtype.kind in "iu"
    return True
