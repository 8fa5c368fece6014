"""Schema version 1 of a record: what each field must hold, and a sentence where it does not.

Unknown fields are fine: a later 1.x may add some. Nothing here reads or writes files.
"""

from __future__ import annotations

import datetime
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from sslskel import hashing
from sslskel.errors import SslskelError

SCHEMA = 1


class RecordError(SslskelError):
    """A record that does not follow the schema; names the field."""


class UnknownRecord(RecordError):
    """A record that exists and cannot be read: nobody knows what it says, so it is neither used nor replaced."""


class NewerSchema(UnknownRecord):
    """A record of a later version: valid, but neither read nor replaced here."""


class Kind(NamedTuple):
    """What a field may hold, as a test and as text."""

    fits: Callable[[Any], bool]
    wording: str


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _utc(value: Any) -> bool:
    try:
        return datetime.datetime.fromisoformat(value.replace("Z", "+00:00")).utcoffset() == datetime.timedelta(0)
    except (AttributeError, TypeError, ValueError):
        return False


def _matches(pattern: str) -> Callable[[Any], bool]:
    whole = re.compile(pattern).fullmatch
    return lambda value: isinstance(value, str) and whole(value) is not None


def _or_none(kind: Kind) -> Kind:
    return Kind(lambda value: value is None or kind.fits(value), f"{kind.wording} or null")


def _objects(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(item, dict) for item in value.values())


def _names(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


TEXT = Kind(lambda value: isinstance(value, str), "text")
NAME = Kind(lambda value: isinstance(value, str) and bool(value), "text that is not empty")
WHOLE = Kind(_whole, "a whole number from 0")
NUMBER = Kind(_number, "a finite number")
AMOUNT = Kind(lambda value: _number(value) and value >= 0, "a finite number from 0")
SHARE = Kind(lambda value: _number(value) and 0 <= value <= 1, "a share from 0 to 1")
FLAG = Kind(lambda value: isinstance(value, bool), "true or false")
IDENTITY = Kind(_matches(hashing.IDENTITY.pattern), "8 to 64 hexadecimal digits")
SHA256 = Kind(_matches(r"[0-9a-f]{64}"), "a sha256 in 64 hexadecimal digits")
PREDICTIONS = Kind(_matches(r"predictions/[0-9a-f-]+\.npz"), "a file 'predictions/NAME.npz' below the results folder")
OBJECT = Kind(lambda value: isinstance(value, dict), "an object")
NAMES = Kind(_names, "an object of strings")
GROUPS = Kind(_objects, "an object of objects")
LIST = Kind(lambda value: isinstance(value, list), "a list")
TEXTS = Kind(_texts, "a list of strings")
UTC = Kind(_utc, "a time in UTC, ISO 8601")

FIELDS: Mapping[str, Kind] = {
    "identity": IDENTITY,
    "pretrain_identity": IDENTITY,
    "method": OBJECT,
    "backbone": OBJECT,
    "streams": TEXTS,
    "protocol": OBJECT,
    "benchmark": OBJECT,
    "preset": TEXT,
    "seed": WHOLE,
    "precision": NAME,
    "config": GROUPS,
    "primary": NAME,
    "scores": OBJECT,
    "epoch": _or_none(WHOLE),
    "counts": OBJECT,
    "labels": WHOLE,
    "seen": LIST,
    "weights_sha256": SHA256,
    "predictions": _or_none(OBJECT),
    "environment": OBJECT,
    "cost": OBJECT,
    "command": TEXT,
    "created": UTC,
}
LATER: Mapping[str, Kind] = {
    "diagnostics": GROUPS,
    "sources": NAMES,
    "origins": LIST,
    "pretrain_seed": WHOLE,
    "copied_test_clips": WHOLE,
    "digest": SHA256,
}
"""Fields of this version that its first records lack; left out where they are empty."""
PARTS: Mapping[str, Mapping[str, Kind]] = {
    "method": {"name": NAME, "plugin": NAME, "version": WHOLE, "origin": TEXT},
    "backbone": {"name": NAME, "version": WHOLE, "parameters": WHOLE},
    "protocol": {"name": NAME, "version": WHOLE, "recipe": TEXT, "selection": TEXT},
    "benchmark": {"name": NAME, "version": WHOLE, "split": NAME, "fingerprint": NAME, "warning": TEXT},
    "counts": {"train": WHOLE, "validation": WHOLE, "test": WHOLE, "num_classes": WHOLE},
    "predictions": {"file": PREDICTIONS, "sha256": SHA256},
    "environment": {"python": TEXT, "torch": TEXT, "device": TEXT, "cpu": TEXT, "commit": TEXT, "dirty": FLAG},
}
METHOD_MORE: Mapping[str, Kind] = {"described": FLAG}
"""What ``method`` may say besides."""
SEEN: Mapping[str, Kind] = {"dataset": NAME, "fingerprint": TEXT, "split": TEXT, "part": NAME, "clips": WHOLE}
KNOWN: Mapping[str, Kind] = {"overlap": WHOLE, "sha256": SHA256}
"""What an item of ``seen`` may say besides; absent where the encoder's own list of clips is not known."""
ORIGIN: Mapping[str, Kind] = {"kind": NAME, "name": NAME, "sha256": SHA256}
ORIGIN_MORE: Mapping[str, Kind] = {
    "option": NAME,
    "identity": IDENTITY,
    "saw": TEXTS,
    "declared": FLAG,
    "through": NAME,
}
"""What an item of ``origins`` may say besides."""
COST: Mapping[str, Kind] = dict.fromkeys(
    ("pretrain_seconds", "evaluate_seconds", "peak_memory_bytes", "samples_per_second"), _or_none(AMOUNT)
)


def check_content(content: object) -> None:
    """Check a parsed record; raises ``RecordError`` naming the first field that is missing or wrong."""
    if not isinstance(content, dict):
        raise RecordError(f"a record is a JSON object, not {_shown(content)}")
    check_fields(content)
    _check_text(content)
    check_digest(content)


def check_fields(content: Mapping[str, Any], known: frozenset[str] = frozenset()) -> None:
    """Check what each field holds, but for those ``known`` that were checked in another record.

    Raises ``RecordError`` naming the first field that is missing or wrong.
    """
    if "schema" not in content:
        raise RecordError("field 'schema' is missing")
    _check_schema(content["schema"])
    due = _due(known)
    _check_fields("", content, due.fields)
    for name, kinds in due.parts.items():
        if content[name] is not None:
            _check_fields(f"{name}.", content[name], kinds)
    if "method" not in known:
        _check_fields("method.", content["method"], {n: k for n, k in METHOD_MORE.items() if n in content["method"]})
    if "counts" not in known:
        _check_fields("counts.", content["counts"], dict.fromkeys(content["counts"], WHOLE))
    _check_fields("", content, {name: kind for name, kind in due.later.items() if name in content})
    if "seen" not in known:
        _check_items("seen", content["seen"], SEEN, KNOWN)
    if "origins" not in known:
        _check_items("origins", content.get("origins", ()), ORIGIN, ORIGIN_MORE)
    _check_fields("cost.", content["cost"], {name: COST[name] for name in COST if name in content["cost"]})
    _check_scores(content["scores"], content["primary"])


class _Due(NamedTuple):
    """What is checked of a record, as :data:`FIELDS`, :data:`PARTS` and :data:`LATER`."""

    fields: Mapping[str, Kind]
    parts: Mapping[str, Mapping[str, Kind]]
    later: Mapping[str, Kind]


@lru_cache(maxsize=1024)
def _due(known: frozenset[str]) -> _Due:
    """All but what is known: of a record of a grid that is most, and the same as of the record before."""
    return _Due(
        {name: kind for name, kind in FIELDS.items() if name not in known},
        {name: kinds for name, kinds in PARTS.items() if name not in known},
        {name: kind for name, kind in LATER.items() if name not in known},
    )


def check_digest(content: Mapping[str, Any]) -> None:
    """Raise ``RecordError`` for a record that bears a digest of something else."""
    if "digest" in content and content["digest"] != digest_of(content):
        raise RecordError("field 'digest' is not that of the record: something in it was changed since it was written")


def digest_of(content: Mapping[str, Any]) -> str:
    """sha256 of all that a record says but its digest."""
    return hashing.json_sha256({name: value for name, value in content.items() if name != "digest"})


def _check_schema(value: Any) -> None:
    if isinstance(value, int) and not isinstance(value, bool) and value > SCHEMA:
        raise NewerSchema(
            f"field 'schema' is {value}, but this version reads {SCHEMA}: a later sslskel wrote it; update to read it"
        )
    if value != SCHEMA or isinstance(value, bool):
        raise RecordError(f"field 'schema' is {_shown(value)}; this version reads {SCHEMA}")


def _check_fields(prefix: str, content: Mapping[str, Any], kinds: Mapping[str, Kind]) -> None:
    for name, kind in kinds.items():
        if name not in content:
            raise RecordError(f"field '{prefix}{name}' is missing")
        if not kind.fits(content[name]):
            raise RecordError(f"field '{prefix}{name}' is {_shown(content[name])}, not {kind.wording}")


def _check_items(name: str, items: Iterable[Any], kinds: Mapping[str, Kind], more: Mapping[str, Kind]) -> None:
    """Objects of a list: what each must say, and what it may."""
    for position, item in enumerate(items):
        if not isinstance(item, dict):
            raise RecordError(f"field '{name}[{position}]' is {_shown(item)}, not an object")
        optional = {key: kind for key, kind in more.items() if key in item}
        _check_fields(f"{name}[{position}].", item, {**kinds, **optional})


def _check_scores(scores: Mapping[str, Any], primary: str) -> None:
    _check_fields("scores.", scores, dict.fromkeys(scores, NUMBER))
    if primary not in scores:
        raise RecordError(f"field 'primary' is {_shown(primary)}, which is not a score of this record")
    _check_fields("scores.", scores, {primary: SHARE})


def _check_text(content: Mapping[str, Any]) -> None:
    """JSON can escape half of a surrogate pair, which no file or terminal can be sent."""
    for name, value in content.items():
        try:
            json.dumps([name, value], ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError as fault:
            raise RecordError(
                f"field '{name.encode('ascii', 'replace').decode()}' holds text that is not valid Unicode"
            ) from fault


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
