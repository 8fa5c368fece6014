"""Where a record stands on a board: what its row and its column say, and whether its encoder saw the test part."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from sslskel.config.compose import shaping
from sslskel.leaderboard.imposed import Imposed, chosen
from sslskel.leaderboard.model import Column, RowKey
from sslskel.results.record import Record

Key = TypeVar("Key", RowKey, Column)
UNLISTED = frozenset({"protocol", "engine"})
"""Configuration groups that do not tell rows apart: the first belongs to columns, the second is named itself."""


class Places:
    """Rows and columns of records, worked out once for all that say the same."""

    def __init__(self, imposed: Imposed) -> None:
        self._imposed = imposed
        self._rows: dict[object, tuple[RowKey, Record]] = {}
        self._columns: dict[object, tuple[Column, Record]] = {}
        self._row_keys: dict[RowKey, RowKey] = {}
        self._column_keys: dict[Column, Column] = {}

    def by_row(self, records: Iterable[Record]) -> dict[RowKey, list[Record]]:
        """The records of each row, in their order."""
        return _grouped(records, self._row)

    def by_column(self, records: Iterable[Record]) -> dict[Column, list[Record]]:
        """The records of each column, which bears no title, in their order."""
        return _grouped(records, self._column)

    def _row(self, record: Record) -> RowKey:
        # Records that were read together share the objects that say the same, and a kept record keeps its objects.
        objects = map(id, (record.method, record.backbone, record.benchmark, record.config, *record.seen))
        place = (*objects, record.preset, record.streams, record.precision)
        if place not in self._rows:
            key = _row_key(record, self._imposed)
            self._rows[place] = self._row_keys.setdefault(key, key), record
        return self._rows[place][0]

    def _column(self, record: Record) -> Column:
        place = (id(record.benchmark), id(record.protocol), id(record.config), record.primary)
        if place not in self._columns:
            key = _column(record)
            self._columns[place] = self._column_keys.setdefault(key, key), record
        return self._columns[place][0]


def _grouped(records: Iterable[Record], place: Callable[[Record], Key]) -> dict[Key, list[Record]]:
    """By places of which equal ones are one object: to hash what each of them says would take longer."""
    groups: dict[int, tuple[Key, list[Record]]] = {}
    for record in records:
        key = place(record)
        if id(key) not in groups:
            groups[id(key)] = key, []
        groups[id(key)][1].append(record)
    return dict(groups.values())


def leaks(record: Record) -> bool:
    """True where pretraining saw clips of the test part, or may have.

    Records count the clips seen; where one cannot, another cut of the same data may hold test clips.
    """
    return any(
        seen["overlap"] > 0 if "overlap" in seen else _same_data(record, seen) and not _own(record, seen)
        for seen in record.seen
    )


def without_training(key: RowKey) -> RowKey:
    """What the rows of one network and its views have in common, however they were trained."""
    config = {group: values for group, values in json.loads(key.config).items() if group != "train"}
    return replace(key, config=_canonical(config))


def _column(record: Record) -> Column:
    benchmark, protocol = record.benchmark, record.protocol
    return Column(
        benchmark["name"],
        benchmark["split"],
        protocol["name"],
        protocol["recipe"],
        protocol["selection"],
        record.primary,
        benchmark["version"],
        protocol["version"],
        benchmark["fingerprint"],
        _canonical(shaping("protocol", record.config.get("protocol", {}))),
    )


def _row_key(record: Record, imposed: Imposed) -> RowKey:
    return RowKey(
        record.method["name"],
        record.backbone["name"],
        imposed.preset(record),
        record.streams,
        record.precision,
        record.method["version"],
        record.backbone["version"],
        _pretrained_on(record),
        _canonical(chosen(_shaping(record), record, imposed)),
    )


def _shaping(record: Record) -> dict[str, Any]:
    """The options that shaped the encoder; how to train is none of them where nothing was trained."""
    groups = {group: values for group, values in record.config.items() if group not in UNLISTED}
    if not record.seen:
        groups.pop("train", None)
    if _suite(record):
        groups["train"] = {key: value for key, value in groups.get("train", {}).items() if key != "suite"}
    return {group: shaping(group, values) for group, values in groups.items()}


def _own(record: Record, seen: Mapping[str, Any]) -> bool:
    """True for the training part of the split on which the record was judged."""
    same_split = _same_data(record, seen) and seen["split"] == record.benchmark["split"]
    return same_split and seen["part"] in ("train", "fit", "validation")


def _same_data(record: Record, seen: Mapping[str, Any]) -> bool:
    judged = record.benchmark
    return bool(seen["fingerprint"] == judged["fingerprint"] or seen["dataset"] == judged["name"])


def _suite(record: Record) -> str:
    """The suite whose datasets were pretrained on together, said alike of encoders that left out what judges them."""
    suite = str(record.config.get("train", {}).get("suite", "")) if record.seen else ""
    own = f"without-{record.benchmark['name']}"
    return "/".join("without-itself" if part == own else part for part in suite.split("/"))


def _pretrained_on(record: Record) -> str:
    if suite := _suite(record):
        return f"suite:{suite}"
    if all(_own(record, seen) for seen in record.seen):
        return ""
    return " + ".join(sorted(f"{seen['dataset']}/{seen['split']}/{seen['part']}" for seen in record.seen))


def _canonical(content: Any) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"))
