"""Folders of ST-GCN, 2s-AGCN, AimCLR and their heirs: ``train_label.pkl`` and ``train_data.npy`` (N, C, T, V, M)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from sslskel.data.own.content import Content
from sslskel.data.own.formats.kind import Source
from sslskel.data.own.formats.npy import read_npy
from sslskel.data.own.pickles.unpickler import array_of, plain, unwrapped
from sslskel.data.own.recordings import Recording
from sslskel.data.own.sets.parts import official, part_in, refuse_twice
from sslskel.errors import DataError


def is_label_file(value: object) -> bool:
    """Whether a pickle holds names and labels, two lists of equal length."""
    if not isinstance(value, (list, tuple)) or len(value) < 2:
        return False
    names, labels = _list(value[0]), _list(value[1])
    return bool(names) and len(names) == len(labels) and isinstance(plain(names[0]), str)


def read_label_files(files: Sequence[tuple[Path, object]], source: Source, notes: list[str]) -> list[Recording]:
    """A recording per name; ``files`` are label files with what they hold. Raises ``DataError``."""
    parts = official([part_in(path.stem) for path, _ in files], notes)
    recordings = []
    for path, value in files:
        assert isinstance(value, (list, tuple))
        data, own = data_file(path), parts.get(part_in(path.stem), "")
        for number, (name, label) in enumerate(zip(_list(value[0]), _list(value[1]), strict=True)):
            word, what = str(plain(name)), plain(label)
            if not isinstance(what, int):
                raise DataError(f"'{path}': the label of '{word}' is {str(what)[:40]!r}, not a whole number")
            where = f"clip '{word}' ('{data}', element {number})"
            load = partial(_content, Source(data, source.layout, source.description, index=number))
            stated = {"official": own} if parts else {}
            label = str(what) if what >= 0 else ""
            recordings.append(Recording(word, where, load, label=label, parts=stated, files=(path, data)))
    refuse_twice([recording.name for recording in recordings], str(files[0][0]))
    return recordings


def data_file(path: Path) -> Path:
    """The array that belongs to a label file; raises ``DataError`` where there is none."""
    words = [path.stem.replace("label", word) for word in ("data_joint", "data", "joint")]
    for word in words:
        if word != path.stem and (path.parent / f"{word}.npy").is_file():
            return path.parent / f"{word}.npy"
    names = " or ".join(f"{word}.npy" for word in words)
    raise DataError(f"'{path}' holds labels, and its clips would lie in {names} beside it; put them there")


def label_file(path: Path) -> Path:
    """The label file that belongs to an array; raises ``DataError`` where there is none."""
    for word in ("data_joint", "data", "joint"):
        if word in path.stem:
            other = path.with_name(f"{path.stem.replace(word, 'label')}.pkl")
            if other.is_file():
                return other
    raise DataError(
        f"'{path}' is an array of clips without labels; give a table (--clips TABLE), or put a label file such as"
        " train_label.pkl beside train_data.npy"
    )


def _content(source: Source) -> Content:
    return Content(read_npy(source).array, usual="CTVM")


def _list(value: object) -> list[object]:
    array = array_of(value)
    if array is not None:
        return list(array.tolist())
    value = unwrapped(value)
    return list(value) if isinstance(value, (list, tuple)) else []
