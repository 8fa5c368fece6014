"""Where a record stands on a board: what its row and its column say, and whether its encoder saw the test part."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sslskel.config.compose import shaping
from sslskel.leaderboard.imposed import Imposed, chosen
from sslskel.leaderboard.model import Column, RowKey
from sslskel.results.record import Record

UNLISTED = frozenset({"protocol", "engine"})
"""Configuration groups that do not tell rows apart: the first belongs to columns, the second is named itself."""


class Places:
    """Rows and columns of records, worked out once for all that say the same."""

    def __init__(self, imposed: Imposed) -> None:
        self._imposed = imposed
        self._rows: dict[object, tuple[RowKey, Record]] = {}
        self._columns: dict[object, tuple[Column, Record]] = {}

    def row(self, record: Record) -> RowKey:
        """The row of a record."""
        # Records that were read together share the objects that say the same, and a kept record keeps its objects.
        objects = map(id, (record.method, record.backbone, record.benchmark, record.config, *record.seen))
        place = (*objects, record.preset, record.streams, record.precision)
        if place not in self._rows:
            self._rows[place] = _row_key(record, self._imposed), record
        return self._rows[place][0]

    def column(self, record: Record) -> Column:
        """The column of a record, without its title."""
        place = (id(record.benchmark), id(record.protocol), id(record.config), record.primary)
        if place not in self._columns:
            self._columns[place] = _column(record), record
        return self._columns[place][0]


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
