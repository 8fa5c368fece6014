"""The record of one cell: what was measured, on what, with what; schema version 1.

A record is written once and never edited. Fields that a later 1.x adds are kept when read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from sslskel.errors import SslskelError

SCHEMA = 1


class RecordError(SslskelError):
    """A record that does not follow the schema; names the field."""


@dataclass(frozen=True)
class Record:
    """One cell and seed. Scores are shares from 0 to 1 unless a protocol's docs say otherwise."""

    schema: int
    identity: str
    pretrain_identity: str
    method: dict[str, Any]
    """``name`` as asked for, ``plugin`` behind it, its ``version`` and ``origin``."""
    backbone: dict[str, Any]
    """``name``, ``version``, number of ``parameters``."""
    streams: tuple[str, ...]
    protocol: dict[str, Any]
    """``name``, ``version``, ``recipe``, ``selection``."""
    benchmark: dict[str, Any]
    """``name``, ``version``, ``split``, ``fingerprint`` of the data, ``warning`` of the split."""
    preset: str
    seed: int
    precision: str
    config: dict[str, Any]
    """The resolved configuration, by group."""
    primary: str
    """Name of the score that ranks."""
    scores: dict[str, float]
    epoch: int | None
    """Epoch of the head that is reported; None where nothing was trained."""
    counts: dict[str, int]
    """Clips of ``train``, ``validation``, ``test``; ``num_classes``."""
    labels: int
    """Labelled clips that the protocol used."""
    seen: tuple[dict[str, Any], ...]
    """Which data the encoder saw in pretraining."""
    weights_sha256: str
    predictions: dict[str, str] | None
    """``file`` beside the records and its ``sha256``."""
    environment: dict[str, Any]
    cost: dict[str, float]
    """``pretrain_seconds``, ``evaluate_seconds``, ``peak_memory_bytes``, ``samples_per_second``."""
    command: str
    created: str
    """UTC, ISO 8601."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Fields of a later 1.x schema."""

    def to_json(self) -> str:
        """Canonical text: sorted keys, one final newline."""
        content = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "extra"}
        return json.dumps({**content, **self.extra}, indent=1, sort_keys=True, allow_nan=False) + "\n"


_PARTS = {
    "method": ("name", "plugin", "version"),
    "backbone": ("name", "version"),
    "protocol": ("name", "version", "recipe", "selection"),
    "benchmark": ("name", "version", "split", "fingerprint"),
}
_TYPES: dict[str, type | tuple[type, ...]] = {
    "identity": str,
    "pretrain_identity": str,
    "method": dict,
    "backbone": dict,
    "streams": list,
    "protocol": dict,
    "benchmark": dict,
    "preset": str,
    "seed": int,
    "precision": str,
    "config": dict,
    "primary": str,
    "scores": dict,
    "epoch": (int, type(None)),
    "counts": dict,
    "labels": int,
    "seen": list,
    "weights_sha256": str,
    "predictions": (dict, type(None)),
    "environment": dict,
    "cost": dict,
    "command": str,
    "created": str,
}


def parse_record(text: str) -> Record:
    """Read a record; raises ``RecordError`` naming the first field that is missing or wrong."""
    try:
        content = json.loads(text)
    except ValueError as fault:
        raise RecordError(f"not JSON: {fault}") from fault
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        found = content.get("schema") if isinstance(content, dict) else type(content).__name__
        raise RecordError(f"field 'schema' is {found!r}; this version reads {SCHEMA}")
    for name, kind in _TYPES.items():
        if name not in content:
            raise RecordError(f"field '{name}' is missing")
        if not isinstance(content[name], kind) or isinstance(content[name], bool):
            raise RecordError(f"field '{name}' is a {type(content[name]).__name__}")
    for name, keys in _PARTS.items():
        for key in keys:
            if key not in content[name]:
                raise RecordError(f"field '{name}.{key}' is missing")
    _check_scores(content["scores"], content["primary"])
    known = {f.name for f in fields(Record)} - {"extra"}
    values = {name: value for name, value in content.items() if name in known}
    values["streams"], values["seen"] = tuple(values["streams"]), tuple(values["seen"])
    return Record(**values, extra={name: value for name, value in content.items() if name not in known})


def _check_scores(scores: Mapping[str, Any], primary: str) -> None:
    for name, value in scores.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise RecordError(f"field 'scores.{name}' is {value!r}, not a finite number")
    if primary not in scores:
        raise RecordError(f"field 'primary' is '{primary}', which is no score of this record")
