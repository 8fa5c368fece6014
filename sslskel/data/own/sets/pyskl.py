"""Pickles in the form of pyskl and MMAction2: annotations with keypoints (M, T, V, C), and lists of names per split.

How a pickle is read without running it is in ``pickles``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sslskel.data.own.content import Content
from sslskel.data.own.pickles.unpickler import array_of, load_plain, plain
from sslskel.data.own.recordings import Recording
from sslskel.errors import DataError

_SPLIT = re.compile(r"(?P<name>.*?)_?(?P<part>train|val|test)(?P<fold>[0-9]*)")


def read_pyskl(paths: Path | Sequence[Path], notes: list[str]) -> list[Recording]:
    """One recording per annotation of pickles ``{'split': ..., 'annotations': [...]}``, or of bare lists of them.

    A pair ``NAME_train`` and ``NAME_val`` (or ``_test``) becomes the split NAME; where there are all
    three, the clips of ``_val`` stay out of both parts, because their persons are not known. Of several bare
    lists the files are called so, as those of mmaction2 0.x are. Raises ``DataError`` naming the file, and the
    annotation where there is one.
    """
    files = [paths] if isinstance(paths, Path) else list(paths)
    return read_annotations([(path, load_plain(path)) for path in files], notes)


def read_annotations(contents: Sequence[tuple[Path, object]], notes: list[str]) -> list[Recording]:
    """The same of pickles that were loaded already."""
    files = [path for path, _ in contents]
    annotations: list[tuple[Path, int, object]] = []
    splits: dict[str, object] = {}
    for path, content in contents:
        listed, stated = _opened(path, content)
        annotations += [(path, number, annotation) for number, annotation in enumerate(listed)]
        if not stated and len(files) > 1:
            stated = {path.stem: [one.get("frame_dir") for one in listed if isinstance(one, dict)]}
        splits |= stated
    path, parts = files[0], _parts(files[0], splits, notes)
    seen: dict[str, str] = {}
    recordings = []
    for source, number, annotation in annotations:
        recordings.append(_recording(source, number, annotation, parts))
        place = f"annotation {number} of '{source}'" if len(files) > 1 else f"{number}"
        first = seen.setdefault(recordings[-1].name, place)
        if first != place:
            raise DataError(f"'{path}': annotations {first} and {place} are both called '{recordings[-1].name}'")
    if any(isinstance(annotation, dict) and "keypoint_score" in annotation for *_, annotation in annotations):
        notes.append("confidences (keypoint_score) are left out: a prepared dataset holds coordinates alone")
    unknown = sorted(set().union(*(set(members) for members in parts.values())) - set(seen)) if parts else []
    for name, members in parts.items():
        _refuse_empty(path, name, members, list(splits), list(seen))
    if unknown:
        notes.append(f"splits name {len(unknown)} clips that have no annotation, '{unknown[0]}' for one")
    return recordings


def _opened(path: Path, data: object) -> tuple[list[object], dict[str, object]]:
    """Annotations and splits of a pickle."""
    annotations: object = data
    splits: object = {}
    if isinstance(data, dict):
        annotations, splits = data.get("annotations"), data.get("split", {})
    if not isinstance(annotations, list) or not isinstance(splits, dict):
        raise DataError(
            f"pickle '{path}' is not of pyskl's form, a dict with 'annotations' (a list) and 'split' (a dict of lists)"
        )
    return annotations, {str(title): members for title, members in splits.items()}


def _refuse_empty(
    path: Path, split: str, members: Mapping[str, str], titles: Sequence[object], seen: Sequence[str]
) -> None:
    """Raise ``DataError`` where no annotation is called as a part of a split calls its clips."""
    known = set(seen)
    lost = [name for name in members if name not in known]
    for part in ("train", "test"):
        names = [name for name, own in members.items() if own == part]
        if names and set(names) <= set(lost):
            own = [str(title) for title in titles if _split_of(str(title)) == split]
            listed = "'/'".join(own)
            raise DataError(
                f"'{path}': {len(lost)} names of split '{listed}', '{lost[0]}' for one, have no annotation;"
                f" annotations are called {_some(seen)}; use the same names in both (frame_dir)"
            )


def _split_of(title: str) -> str | None:
    """The split that a list of names belongs to by its title, or None where it is no part of one."""
    match = _SPLIT.fullmatch(title)
    return None if match is None else (match["name"] + match["fold"]) or "official"


def _some(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:2]) + (" ..." if len(names) > 2 else "")


def _recording(path: Path, number: int, annotation: Any, parts: Mapping[str, Mapping[str, str]]) -> Recording:
    where = f"'{path}', annotation {number}"
    if not isinstance(annotation, dict):
        raise DataError(f"{where} is a {type(annotation).__name__}, expected a dict")
    missing = [key for key in ("frame_dir", "label", "keypoint") if key not in annotation]
    if missing:
        raise DataError(f"{where} lacks '{missing[0]}' (it has: {', '.join(map(str, list(annotation)[:8]))})")
    name, label = plain(annotation["frame_dir"]), plain(annotation["label"])
    if not isinstance(name, str) or not isinstance(label, int):
        raise DataError(f"{where}: 'frame_dir' must be text and 'label' a whole number")

    def load() -> Content:
        array, score = array_of(annotation["keypoint"]), array_of(annotation.get("keypoint_score"))
        if array is None or array.dtype.kind not in "fiu":
            raise DataError(f"clip '{name}' ({where}): 'keypoint' is not an array of numbers")
        if score is not None and (score.dtype.kind not in "fiu" or score.shape != array.shape[:-1]):
            raise DataError(
                f"clip '{name}' ({where}): 'keypoint_score' has the shape {score.shape}, but 'keypoint' {array.shape}"
            )
        return Content(array, usual="MTVC", confidence=score)

    own = {split: members.get(name, "") for split, members in parts.items()}
    return Recording(name, f"clip '{name}' ({where})", load, label=str(label) if label >= 0 else "", parts=own)


def _parts(path: Path, splits: Mapping[Any, Any], notes: list[str]) -> dict[str, dict[str, str]]:
    """Split -> clip -> train or test."""
    lists: dict[str, dict[str, list[str]]] = {}
    for title, members in splits.items():
        match = _SPLIT.fullmatch(str(title))
        if not isinstance(members, (list, set, tuple)):
            raise DataError(f"'{path}': split '{title}' is not a list of names")
        if match is None:
            notes.append(f"split '{title}' is left out: its name does not end in train, val or test")
            continue
        name = _split_of(str(title)) or "official"
        lists.setdefault(name, {})[match["part"]] = [str(plain(member)) for member in members]
    assigned = {}
    for name, parts in lists.items():
        test = "test" if "test" in parts else "val"
        if "train" not in parts or test not in parts:
            notes.append(f"split '{name}' is left out: it has {', '.join(parts)} and no counterpart")
            continue
        if test == "test" and "val" in parts:
            notes.append(f"split '{name}': its {len(parts['val'])} clips of 'val' are in no part")
        both = set(parts["train"]) & set(parts[test])
        if both:
            raise DataError(f"'{path}': clip '{min(both)}' is in train and in {test} of split '{name}'")
        assigned[name] = dict.fromkeys(parts["train"], "train") | dict.fromkeys(parts[test], "test")
    return assigned
