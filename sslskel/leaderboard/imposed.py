"""What benchmarks ask for themselves: options of their recipes, which belong to columns and tell no rows apart.

So do options that a preset has for a method on a benchmark: a paper's method is one row on its datasets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, NamedTuple

from sslskel.config.compose import compose
from sslskel.config.groups import COMMON
from sslskel.errors import UsageError
from sslskel.plugins.presets import read_preset
from sslskel.plugins.registry import BACKBONES, BENCHMARKS, METHODS, Registry, looked_up_once
from sslskel.results.record import Record


class Recipe(NamedTuple):
    """What decides which options an encoder has where nobody chose one."""

    home: str
    """Benchmark of pretraining."""
    preset: str
    method: str
    backbone: str


Imposed = Mapping[Recipe, Mapping[tuple[str, str], object]]
"""The value that an option (group, key) has there where nobody chose one; only of options that differ by benchmark."""


@looked_up_once()
def imposed_options(records: Iterable[Record]) -> Imposed:
    """Options that recipes of benchmarks, or presets for them, set; nothing where there is one benchmark.

    Local plugins are not imported for it: a board runs no code that only a record names.
    """
    recipes = {_recipe(record) for record in records}
    homes = {recipe.home for recipe in recipes}
    if len(homes) < 2:
        return {}
    asked = {home: BENCHMARKS.get(home).recipe if _is_safe(BENCHMARKS, home) else {} for home in homes}
    names = {(group, key) for recipe in asked.values() for group, values in recipe.items() for key in values}
    return {
        recipe: {
            **{(group, key): asked[recipe.home].get(group, {}).get(key, _default(group, key)) for group, key in names},
            **_of_preset(recipe, asked[recipe.home], homes),
        }
        for recipe in recipes
    }


def chosen(config: Mapping[str, Mapping[str, Any]], record: Record, imposed: Imposed) -> dict[str, dict[str, Any]]:
    """A record's options without those that are as its benchmark asks for, by itself or through its preset."""
    asked = imposed.get(_recipe(record), {})
    return {
        group: {key: value for key, value in values.items() if asked.get((group, key), ...) != value}
        for group, values in config.items()
    }


def _of_preset(recipe: Recipe, asked: Mapping[str, Any], homes: Iterable[str]) -> dict[tuple[str, str], object]:
    """Options that the preset has for the method on one of the benchmarks, as they are on this one."""
    try:
        known = read_preset(recipe.preset).get("benchmark", {})
        layers = [known.get(home, {}).get("method", {}).get(recipe.method, {}) for home in homes]
        names = {(group, key) for layer in layers for group, values in layer.items() for key in values}
        plugins = ((METHODS, METHODS.plugin_of(recipe.method)), (BACKBONES, recipe.backbone)) if names else ()
        if not names or not all(_is_safe(registry, name) for registry, name in plugins):
            return {}
        resolved = compose(
            recipe.method,
            backbone=recipe.backbone,
            preset=recipe.preset,
            recipe=asked,
            benchmarks=(recipe.home, recipe.home),
        )
    except UsageError:
        return {}
    plain = resolved.plain()
    return {(group, key): plain[group][key] for group, key in names if key in plain.get(group, {})}


def _is_safe(registry: Registry[Any], name: str) -> bool:
    """Whether a name is known, and importing it runs no local file."""
    sources = {entry.source for entry in registry.entries() if entry.name == name}
    return bool(sources) and "local" not in sources


def _recipe(record: Record) -> Recipe:
    """The configuration was composed with the recipe of the benchmark of pretraining, where there was one."""
    home = str(record.seen[0]["dataset"]) if record.seen else str(record.benchmark["name"])
    return Recipe(home, record.preset, str(record.method["name"]), str(record.backbone["name"]))


def _default(group: str, key: str) -> object:
    value = getattr(COMMON[group](), key, None) if group in COMMON else None
    return value.name if isinstance(value, Enum) else value
