"""What benchmarks ask for themselves: their recipes and own presets, which belong to columns and tell no rows apart.

So do options that a preset has for a method on a benchmark: a paper's method is one row on its datasets.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, NamedTuple

import yaml

from sslskel.config.compose import UNSAID, compose
from sslskel.config.groups import COMMON
from sslskel.config.suites import read_suite
from sslskel.errors import UsageError
from sslskel.plugins.presets import read_preset
from sslskel.plugins.registry import BACKBONES, BENCHMARKS, METHODS, Registry, looked_up_once, once
from sslskel.results.record import Record

EACH_OWN = "of each benchmark"
"""The preset of a row in whose columns nobody chose one, where the benchmarks have different ones."""
SHAPING = ("method", "backbone", "clip", "train")
"""Groups that a preset sets."""


class Recipe(NamedTuple):
    """What decides which options an encoder has where nobody chose one."""

    home: str
    """Benchmark of pretraining."""
    preset: str
    method: str
    backbone: str


class Imposed(NamedTuple):
    """What no user chose."""

    options: Mapping[Recipe, Mapping[tuple[str, str], object]]
    """The value that an option (group, key) has there where nobody chose one, of those that differ by benchmark."""
    own_presets: frozenset[Recipe]
    """Those whose preset is their benchmark's own, and so belongs to the column."""

    def preset(self, record: Record) -> str:
        """The preset of a record's row."""
        return EACH_OWN if _recipe(record) in self.own_presets else record.preset


@looked_up_once()
def imposed_options(records: Iterable[Record]) -> Imposed:
    """Options that recipes of benchmarks, or presets for them, set; nothing where there is one benchmark.

    Local plugins are not imported for it: a board runs no code that only a record names.
    """
    recipes = {_recipe(record) for record in records}
    homes = {recipe.home for recipe in recipes}
    if len(homes) < 2:
        return Imposed({}, frozenset())
    asked = {home: BENCHMARKS.get(home).recipe if _is_safe(BENCHMARKS, home) else {} for home in homes}
    names = {(group, key) for recipe in asked.values() for group, values in recipe.items() for key in values}
    own = _of_own_presets(recipes)
    options = {
        recipe: {
            **{(group, key): asked[recipe.home].get(group, {}).get(key, _default(group, key)) for group, key in names},
            **(_whole(recipe, asked[recipe.home]) if recipe in own else _of_preset(recipe, asked[recipe.home], homes)),
        }
        for recipe in recipes
    }
    return Imposed(options, own)


def chosen(config: Mapping[str, Mapping[str, Any]], record: Record, imposed: Imposed) -> dict[str, dict[str, Any]]:
    """A record's options without those that are as its benchmark asks for, by itself or through its preset.

    Of an encoder of a suite's datasets together, what the suite has for that is no choice either.
    """
    asked, together = imposed.options.get(_recipe(record), {}), _of_suite(record)
    return {group: dict(_chosen(group, values, asked, together)) for group, values in config.items()}


def _chosen(
    group: str,
    values: Mapping[str, Any],
    asked: Mapping[tuple[str, str], object],
    together: Mapping[tuple[str, str], object],
) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        place = group, key
        if together.get(place, ...) == value:
            if key in UNSAID.get(group, {}):
                continue
            # As in the rows beside it, which are of one dataset each.
            value = asked.get(place, _default(group, key))
        if asked.get(place, ...) != value:
            yield key, value


def _of_suite(record: Record) -> dict[tuple[str, str], object]:
    """Options under which the suite that was trained on is trained on; none where it is not known here."""
    name = str(record.config.get("train", {}).get("suite", "")).partition("/")[0]
    if not name:
        return {}
    try:
        asked = once(("suite", name), lambda: read_suite(name).pretraining)
    except UsageError:
        return {}
    pairs = (override.partition("=")[::2] for override in asked)
    options = ((*option.partition(".")[::2], yaml.safe_load(value)) for option, value in pairs)
    return {(group, key): value for group, key, value in options}


def home_of(record: Record) -> str:
    """The benchmark that an encoder was made for: that of pretraining, where there was one."""
    return str(record.seen[0]["dataset"]) if record.seen else str(record.benchmark["name"])


def _of_own_presets(recipes: Iterable[Recipe]) -> frozenset[Recipe]:
    """Those of a benchmark's own preset, of methods that were run with several of these and with no preset on all."""
    rows: dict[tuple[str, str], set[Recipe]] = defaultdict(set)
    for recipe in recipes:
        rows[recipe.method, recipe.backbone].add(recipe)
    known, own = set(METHODS.names()), set[Recipe]()
    for (method, _), row in rows.items():
        usual = {one for one in row if one.preset == _own_preset(one.home)}
        homes, presets = {one.home for one in usual}, {one.preset for one in usual}
        joined = any(homes <= {one.home for one in row if one.preset == preset} for preset in {r.preset for r in row})
        if method in known and len(presets) > 1 and not joined:
            own |= usual
    return frozenset(own)


def _own_preset(benchmark: str) -> str:
    return BENCHMARKS.get(benchmark).preset if _is_safe(BENCHMARKS, benchmark) else ""


def _whole(recipe: Recipe, asked: Mapping[str, Any]) -> dict[tuple[str, str], object]:
    """All options that a run has which chose none, but those of local plugins."""
    try:
        own = _is_safe(METHODS, METHODS.plugin_of(recipe.method))
        method = recipe.method if own else next(name for name, plugin in METHODS.built_in() if plugin.bare_backbone)
        network = recipe.backbone if _is_safe(BACKBONES, recipe.backbone) else METHODS.get(method).default_backbone
        plain = compose(
            method,
            backbone=network,
            preset=recipe.preset,
            recipe=asked,
            benchmarks=(recipe.home, recipe.home),
        ).plain()
    except UsageError:
        return {}
    groups = [group for group in SHAPING if group != "method" or own]
    return {(group, key): value for group in groups for key, value in plain[group].items()}


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
    return Recipe(home_of(record), record.preset, str(record.method["name"]), str(record.backbone["name"]))


def _default(group: str, key: str) -> object:
    value = getattr(COMMON[group](), key, None) if group in COMMON else None
    return value.name if isinstance(value, Enum) else value
