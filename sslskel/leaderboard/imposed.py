"""What benchmarks ask for themselves: options of their recipes, which belong to columns and tell no rows apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from sslskel.config.groups import COMMON
from sslskel.plugins.registry import BENCHMARKS
from sslskel.results.record import Record

Imposed = Mapping[str, Mapping[tuple[str, str], object]]
"""Per benchmark of pretraining the value that an option (group, key) has where nobody chose one."""


def imposed_options(records: Iterable[Record]) -> Imposed:
    """Options that a recipe of several benchmarks sets; nothing where there is one benchmark.

    Benchmarks of local plugins are not imported for it: a board runs no code that only a record names.
    """
    homes = {_home(record) for record in records}
    if len(homes) < 2:
        return {}
    known = {entry.name for entry in BENCHMARKS.entries() if entry.source != "local"}
    recipes = {name: BENCHMARKS.get(name).recipe if name in known else {} for name in homes}
    names = {(group, key) for recipe in recipes.values() for group, values in recipe.items() for key in values}
    return {
        home: {(group, key): recipe.get(group, {}).get(key, _default(group, key)) for group, key in names}
        for home, recipe in recipes.items()
    }


def chosen(config: Mapping[str, Mapping[str, Any]], record: Record, imposed: Imposed) -> dict[str, dict[str, Any]]:
    """A record's options without those that are as its benchmark asks for."""
    asked = imposed.get(_home(record), {})
    return {
        group: {key: value for key, value in values.items() if asked.get((group, key), ...) != value}
        for group, values in config.items()
    }


def _home(record: Record) -> str:
    """The benchmark whose recipe the configuration was composed with: that of the pretraining, where there was one."""
    return str(record.seen[0]["dataset"]) if record.seen else str(record.benchmark["name"])


def _default(group: str, key: str) -> object:
    value = getattr(COMMON[group](), key, None) if group in COMMON else None
    return value.name if isinstance(value, Enum) else value
