"""The record of one cell: what was measured, on what, with what; schema version 1.

A record is written once and never edited. Fields that a later 1.x adds are kept when read.
What each field may hold is in ``schema.py``; where records lie is in ``store.py``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields, replace
from typing import Any

from sslskel.files import parse_json
from sslskel.results.facts import (
    BackboneFacts,
    BenchmarkFacts,
    MethodFacts,
    OriginFacts,
    PredictionFacts,
    ProtocolFacts,
    SeenFacts,
)
from sslskel.results.pieces import Alike
from sslskel.results.schema import (
    LATER,
    SCHEMA,
    NewerSchema,
    RecordError,
    UnknownRecord,
    check_content,
    check_digest,
    check_fields,
    digest_of,
)

__all__ = [
    "CHOSEN_ON_TEST",
    "DECLARED",
    "SCHEMA",
    "NewerSchema",
    "Record",
    "RecordError",
    "UnknownRecord",
    "parse_record",
]

CHOSEN_EPOCH = "chosen_epoch"
"""Key of a record's details: the epoch of pretraining whose weights a probe chose, and the probe's name."""
CHOSEN_ON_TEST = "chosen on test, as published code does"
"""Marks a number that is recorded for comparison and ranks nothing."""
DECLARED = "declared"
"""Stands for the plugin of an encoder that came as a module, and names what its owner declares in ``config``."""


@dataclass(frozen=True, slots=True)
class Record:
    """One cell and seed. The primary score is a share from 0 to 1; the others are finite numbers."""

    schema: int
    identity: str
    pretrain_identity: str
    method: MethodFacts
    """``name`` as asked for, ``plugin`` behind it, its ``version`` and ``origin``."""
    backbone: BackboneFacts
    """``name``, ``version``, number of ``parameters``."""
    streams: tuple[str, ...]
    protocol: ProtocolFacts
    """``name``, ``version``, ``recipe``, ``selection``."""
    benchmark: BenchmarkFacts
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
    seen: tuple[SeenFacts, ...]
    """Which data the encoder saw in pretraining: ``dataset``, ``fingerprint``, ``split``, ``part``, ``clips``;
    ``overlap``, how many clips of the test part were among them, and ``sha256`` of their list, where known."""
    weights_sha256: str
    predictions: PredictionFacts | None
    """``file`` below the results folder and its ``sha256``."""
    environment: dict[str, Any]
    """Versions, hardware, ``commit`` and ``dirty``."""
    cost: dict[str, float | None]
    """``pretrain_seconds``, ``evaluate_seconds``, ``peak_memory_bytes``, ``samples_per_second``; None where unknown.
    Of the evaluation, ``encode_seconds`` in frozen encoders, ``encoded_clips`` and ``reused_clips`` from the cache."""
    command: str
    created: str
    """UTC, ISO 8601."""
    diagnostics: dict[str, Any] = field(default_factory=dict)
    """By condition, from the predictions of classes: ``top1``, ``top5``, ``macro``, ``per_class``, ``ece``,
    ``interval`` over clips; confusion matrices are kept with the predictions. Empty in early records."""
    sources: dict[str, str] = field(default_factory=dict)
    """Digests of the source of ``method``, ``backbone`` and ``protocol`` that made it; empty in early records."""
    origins: tuple[OriginFacts, ...] = ()
    """Files and checkpoints that went into the encoder besides clips; empty where there are none."""
    pretrain_seed: int | None = None
    """Of the pretraining, where the evaluation had another seed; None where it had the same."""
    copied_test_clips: int | None = None
    """How many test clips hold frames of training clips; None where there are none, and in early records."""
    digest: str = ""
    """sha256 of all other fields, by which a change is noticed; empty in early records."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Fields of a later 1.x schema."""

    @property
    def proven_origins(self) -> bool:
        """Whether all of them prove what they saw, as checkpoints do."""
        return all("saw" in one and not one.get("declared") for one in self.origins)

    @property
    def trained_with(self) -> int:
        """Seed of the pretraining; that of the evaluation in early records, which do not say it."""
        return self.seed if self.pretrain_seed is None else self.pretrain_seed

    def to_json(self) -> str:
        """Canonical text: sorted keys, one final newline. Raises ``RecordError`` for what JSON cannot hold."""
        content = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "extra"}
        for name in LATER:
            if content[name] is None or content[name] in ("", {}, ()):
                del content[name]
        try:
            return json.dumps({**self.extra, **content}, indent=1, sort_keys=True, allow_nan=False) + "\n"
        except (TypeError, ValueError) as fault:
            raise RecordError(f"record {self.identity} cannot be written as JSON: {fault}") from fault

    def signed(self) -> Record:
        """The same with the digest of what it says. Raises ``RecordError`` as :meth:`to_json`."""
        return replace(self, digest=digest_of(json.loads(replace(self, digest="").to_json())))


def parse_record(text: str, alike: Alike | None = None) -> Record:
    """Read a record; one of many shares what it says with those that were read with the same ``alike``.

    Raises ``RecordError`` naming the first field that is missing or wrong, and ``NewerSchema``
    for a record that a later version of sslskel wrote.
    """
    alike = alike or Alike()
    read = alike.fields(text)
    if read is None:
        content = _content(text)
    else:
        content = read.content
        check_fields(content, read.known)
        if content.get("digest", read.unsigned) != read.unsigned:
            check_digest(content)
        alike.keep(read)
    values: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in content.items():
        if name in KNOWN:
            values[name] = tuple(value) if name in LISTS else value
        else:
            extra[name] = value
    return Record(**values, extra=extra)


KNOWN = frozenset(one.name for one in fields(Record)) - {"extra"}
LISTS = ("streams", "seen", "origins")
"""Fields that JSON keeps as lists."""


def _content(text: str) -> dict[str, Any]:
    try:
        content = parse_json(text)
    except ValueError as fault:
        raise RecordError(f"not JSON: {fault}") from fault
    check_content(content)
    assert isinstance(content, dict)
    return content
