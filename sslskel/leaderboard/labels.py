"""Names of rows and columns: short, and different for what is different. Knows no number."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sslskel.leaderboard.model import Column, Row, RowKey
from sslskel.results.record import DECLARED

LISTED = 4
"""Options that a name lists before it only counts the rest."""


def row_labels(keys: Sequence[RowKey]) -> dict[RowKey, str]:
    """The method's name, with whatever tells it from rows that look the same otherwise."""
    groups: dict[tuple[Any, ...], list[RowKey]] = defaultdict(list)
    for key in keys:
        groups[(key.method, key.backbone, key.preset, key.streams, key.precision)].append(key)
    labels = {}
    for group in groups.values():
        options = _differing([key.config for key in group])
        for key, details in zip(group, options, strict=True):
            stages = json.loads(key.config).get("stages", {})
            if stages:
                details.insert(0, f"after {', '.join(stage['method'] for stage in stages.values())}")
            if DECLARED in json.loads(key.config):
                details.insert(0, "as its owner declared")
            if _varies(group, lambda k: k.method_version):
                details.append(f"version {key.method_version}")
            if _varies(group, lambda k: k.backbone_version):
                details.append(f"backbone version {key.backbone_version}")
            if key.pretrained_on:
                details.append(f"pretrained on {key.pretrained_on}")
            labels[key] = _named(key.method, details)
    return labels


def names_of(rows: Sequence[Row]) -> dict[RowKey, str]:
    """Labels as sentences use them: with preset, backbone and the like where rows differ in these."""
    facts: list[Callable[[Row], str]] = [
        lambda row: row.key.preset,
        lambda row: row.key.backbone,
        lambda row: "+".join(row.key.streams),
        lambda row: row.key.precision,
    ]
    varying = [fact for fact in facts if len({fact(row) for row in rows}) > 1]
    return {row.key: " ".join([row.label, *(f"[{fact(row)}]" for fact in varying)]) for row in rows}


def column_titles(columns: Sequence[Column]) -> dict[Column, str]:
    """Benchmark, split, protocol and score, with whatever sets it apart from similar columns."""
    groups: dict[str, list[Column]] = defaultdict(list)
    for column in columns:
        groups[f"{column.benchmark}/{column.split} {column.protocol} {column.score}"].append(column)
    titles = {}
    for title, group in groups.items():
        options = _differing([column.options for column in group])
        for column, details in zip(group, options, strict=True):
            facts = []
            if _varies(group, lambda c: c.recipe):
                facts.append(f"recipe {column.recipe}")
            if _varies(group, lambda c: c.selection):
                facts.append(f"selection {column.selection}")
            if _varies(group, lambda c: c.protocol_version):
                facts.append(f"protocol version {column.protocol_version}")
            if _varies(group, lambda c: c.benchmark_version):
                facts.append(f"benchmark version {column.benchmark_version}")
            if _varies(group, lambda c: c.fingerprint):
                facts.append(f"data {column.fingerprint[:12]}")
            # A recipe's name says which of its options were changed; they need no second mention.
            by_recipe = _varies(group, lambda c: c.recipe)
            titles[column] = _named(title, facts if by_recipe else [*facts, *details])
    return _unique(titles)


def _varies(group: Iterable[Any], fact: Callable[[Any], Any]) -> bool:
    return len({fact(member) for member in group}) > 1


def _named(name: str, details: Sequence[str]) -> str:
    return f"{name} ({', '.join(details)})" if details else name


def _differing(configs: Sequence[str]) -> list[list[str]]:
    """Per configuration (canonical JSON) the options in which it differs from any of the others."""
    flats = [dict(_flat("", json.loads(config))) for config in configs]
    values: dict[str, set[str | None]] = defaultdict(set)
    for name in sorted({name for flat in flats for name in flat}):
        values[name] = {flat.get(name) for flat in flats}
    names = [name for name, several in values.items() if len(several) > 1]
    short = _short(names)
    listed = []
    for flat, config in zip(flats, configs, strict=True):
        own = [f"{short[name]}={flat[name]}" for name in names[:LISTED] if name in flat]
        if len(names) > LISTED:
            own.append(f"{len(names) - LISTED} more options, {hashlib.sha256(config.encode()).hexdigest()[:6]}")
        listed.append(own)
    return listed


def _flat(prefix: str, content: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value)


def _short(names: Sequence[str]) -> dict[str, str]:
    """The last word of each option where no other option ends in it."""
    ends = [name.rpartition(".")[2] for name in names]
    return {name: end if ends.count(end) == 1 else name for name, end in zip(names, ends, strict=True)}


def _unique(titles: Mapping[Column, str]) -> dict[Column, str]:
    """Titles with a digest where two would be the same after all."""
    shared = {title for title in titles.values() if list(titles.values()).count(title) > 1}
    return {
        column: f"{title} #{hashlib.sha256(column.options.encode()).hexdigest()[:6]}" if title in shared else title
        for column, title in titles.items()
    }
