"""What every value in a checkpoint's ``meta`` may be, so that a forged one is refused where it is read.

Keys that are missing, and identities, are for ``meta.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sslskel.results.schema import (
    FLAG,
    KNOWN,
    LIST,
    NAME,
    NAMES,
    NUMBER,
    OBJECT,
    ORIGIN,
    ORIGIN_MORE,
    SEEN,
    TEXT,
    WHOLE,
    Kind,
)
from sslskel.text import plain

RATE = Kind(lambda value: NUMBER.fits(value) and 0 < value < 1e6, "a number above 0")
SPLIT = Kind(lambda value: value is None or TEXT.fits(value), "text or null")
AXES = Kind(lambda value: value in (2, 3) and WHOLE.fits(value), "2 or 3")
WIDTH = Kind(lambda value: WHOLE.fits(value) and 0 < value < 1000, "a whole number from 1 to 999")
FIELDS: Mapping[str, Kind] = {
    **dict.fromkeys(("method", "backbone", "benchmark", "dataset", "clip", "train"), OBJECT),
    **dict.fromkeys(("preset", "precision", "init", "init_of_seeds"), TEXT),
    **dict.fromkeys(("seen", "stages", "origins"), LIST),
    "seed": WHOLE,
    "sources": NAMES,
}
PARTS: Mapping[str, Mapping[str, Kind]] = {
    "method": {"name": NAME, "plugin": NAME, "version": WHOLE, "origin": TEXT, "config": OBJECT},
    "backbone": {"name": NAME, "version": WHOLE, "origin": TEXT, "used": FLAG, "config": OBJECT},
    "benchmark": {"name": TEXT, "version": WHOLE, "split": SPLIT},
    "dataset": {
        **dict.fromkeys(("name", "unit", "fingerprint"), TEXT),
        "fps": RATE,
        "coordinates": AXES,
        "persons": WIDTH,
        "layout": OBJECT,
    },
}
_IDS: Mapping[str, Kind] = dict.fromkeys(("recordings", "frames", "movements"), TEXT)
STAGE: Mapping[str, Kind] = {**dict.fromkeys(("method", "options", "taken"), TEXT), "version": WHOLE}
ITEMS: Mapping[str, tuple[Mapping[str, Kind], Mapping[str, Kind]]] = {
    "seen": (SEEN, {**KNOWN, **_IDS}),
    "stages": (STAGE, {}),
    "origins": (ORIGIN, {name: kind for name, kind in ORIGIN_MORE.items() if name != "identity"}),
}
"""Lists of objects -> what each of them must say, and what it may."""


def check_meta(content: object) -> None:
    """Check the ``meta`` of a checkpoint; raises ``TypeError`` naming the first value that is of another kind."""
    if not OBJECT.fits(content):
        raise TypeError(f"it is {_shown(content)}, not an object")
    assert isinstance(content, dict)
    _check("", content, FIELDS)
    for name, kinds in PARTS.items():
        _check(f"{name}.", content.get(name, {}), kinds)
    for name, (needed, more) in ITEMS.items():
        for place, item in enumerate(content.get(name, ())):
            where = f"{name}[{place}]"
            if not OBJECT.fits(item):
                raise TypeError(f"'{where}' is {_shown(item)}, not an object")
            _check(f"{where}.", item, {**needed, **more})


def check_items(content: Mapping[str, Any]) -> None:
    """Raise ``TypeError`` where an item of a list of ``meta`` lacks what each of them must say."""
    for name, (needed, _) in ITEMS.items():
        for place, item in enumerate(content.get(name, ())):
            missing = next((key for key in needed if key not in item), None)
            if missing is not None:
                raise TypeError(f"'{name}[{place}].{missing}' is missing")


def _check(prefix: str, content: Mapping[str, Any], kinds: Mapping[str, Kind]) -> None:
    for name, kind in kinds.items():
        if name in content and not kind.fits(content[name]):
            raise TypeError(f"'{prefix}{name}' is {_shown(content[name])}, not {kind.wording}")


def _shown(value: object) -> str:
    return f"{plain(repr(value)):.60}"
