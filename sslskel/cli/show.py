"""Show a plugin or preset: what it is, where it comes from, its version, and its options with types and meaning."""

from __future__ import annotations

import argparse
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sslskel.errors import UsageError

if TYPE_CHECKING:
    from sslskel.api.benchmark import Benchmark
    from sslskel.api.method import PretextMethod
    from sslskel.plugins.registry import Registry

PRESET = "preset"
KINDS = ("method", "backbone", "benchmark", "protocol", PRESET)
INDENT = " " * 6
WIDTH = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel show``."""
    parser.add_argument(
        "name",
        nargs="+",
        metavar="NAME",
        help="a method, backbone, benchmark, protocol or preset, or the options clip, train or engine; its kind may"
        " stand before it",
    )
    parser.add_argument("--kind", choices=KINDS, help="where names collide")


def run(options: argparse.Namespace) -> int:
    """Print the card of one plugin, a preset, or a group of options that belongs to none."""
    from sslskel.config.groups import COMMON
    from sslskel.plugins.presets import presets
    from sslskel.plugins.registry import REGISTRIES

    kind, name = _asked(options)
    kinds = [f"{one.kind}" for one in REGISTRIES.values() if name in one.names()]
    kinds += [PRESET] if name in presets() else []
    if not kinds and name in COMMON and kind is None:
        _group(name, COMMON[name])
        return 0
    if kind is None and not kinds:
        from sslskel.errors import did_you_mean

        names = [*COMMON, *(known for one in REGISTRIES.values() for known in one.names()), *presets()]
        raise UsageError(f"there is nothing called '{name}'{did_you_mean(name, names)} (`sslskel list`)")
    for one in [kind] if kind else kinds:
        _show(one, name)
    return 0


def _asked(options: argparse.Namespace) -> tuple[str | None, str]:
    """Kind and name; raises ``UsageError`` for words that are neither."""
    *before, name = options.name
    if len(before) > 1 or (before and before[0] not in KINDS):
        raise UsageError(f"'{' '.join(options.name)}' names nothing; write NAME or KIND NAME, of {', '.join(KINDS)}")
    if before and options.kind not in (None, before[0]):
        raise UsageError(f"'{before[0]}' and --kind {options.kind} are two kinds; give one")
    return (before[0] if before else options.kind), name


def _show(kind: str, name: str) -> None:
    from sslskel.plugins.registry import BENCHMARKS, REGISTRIES

    if kind == PRESET:
        _preset(name)
        return
    registry = REGISTRIES[f"{kind}s"]
    print(f"{name}: {kind}, {registry.entry(name).origin}")
    if kind == "benchmark":
        _benchmark(BENCHMARKS.get(name))
    else:
        _plugin(registry, name)


def _preset(name: str) -> None:
    """What a preset sets, by what it sets it for."""
    from sslskel.plugins.presets import GROUPS, read_preset
    from sslskel.plugins.registry import only_file, origin_of

    content = read_preset(name)
    print(f"{name}: preset, {origin_of(only_file('preset', name))}")
    print(content.get("title", "no title"))
    for group, levels in GROUPS.items():
        for place, values in _at_depth(content.get(group, {}), levels - 1):
            print(f"{' '.join([group, *place])}:")
            for key, value in values.items():
                print(f"  {key}={value}")


def _at_depth(content: Mapping[str, Any], levels: int) -> Iterator[tuple[list[str], Mapping[str, Any]]]:
    """Mappings that many levels inside, with the keys that lead there."""
    if levels < 1:
        if content:
            yield [], content
        return
    for key, inner in content.items():
        for place, values in _at_depth(inner, levels - 1):
            yield [key, *place], values


def _group(name: str, config: type) -> None:
    print(f"{name}: options of every run")
    print(inspect.cleandoc(config.__doc__ or ""))
    print("options, where no method and no preset says otherwise:")
    _options(name, config, {})


def _options(group: str, config: type, changed: Mapping[str, Any]) -> None:
    """Every option with its value, and below it what it takes and what it means."""
    from sslskel.config.options import options_of

    for option in options_of(config, changed):
        print(f"  {group}.{option.name}={option.default}")
        text = f"{option.kind}. {option.meaning}".rstrip()
        print(textwrap.fill(text, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT))


def _plugin(registry: Registry[Any], name: str) -> None:
    plugin, preset = registry.get(name), dict(registry.preset(name))
    print(f"version {plugin.version}")
    print(inspect.cleandoc(plugin.__doc__ or "no description"))
    if preset:
        print(f"preset of '{preset['plugin']}': {preset.get('title', '')}")
    if "stages" in preset:
        print(f"stages: {', then '.join(stage['method'] for stage in preset['stages'])}")
    print("options:")
    _options(registry.kind, plugin.Config, preset.get("config", {}))
    if registry.kind == "method":
        _method(plugin, preset)
    if plugin.presets:
        print(f"sizes of its own in presets: {', '.join(plugin.presets)}")
    for check, reason in getattr(plugin, "expected_failed_checks", {}).items():
        print(f"does not keep '{check}': {reason}")


def _method(plugin: type[PretextMethod], preset: Mapping[str, Any]) -> None:
    """What a method is trained with, and whose it is."""
    paper = preset.get("paper", plugin.card.paper)
    if paper:
        print(f"paper: {paper}")
    if plugin.card.described:
        print("after the description: no code was released, and what no source states is ours")
    if plugin.card.protocols:
        print(f"evaluation recipes of its own: {', '.join(plugin.card.protocols)}")
    if plugin.uses_backbone:
        print(f"backbone: {plugin.default_backbone}")
    groups = {name: {**plugin.recipe.get(name, {}), **preset.get(name, {})} for name in ("backbone", "clip", "train")}
    recipe = [f"  {group}.{key}={value}" for group, options in groups.items() for key, value in options.items()]
    if recipe:
        print("\n".join(["recipe, where no preset says otherwise:", *recipe]))


def _benchmark(benchmark: Benchmark) -> None:
    info = benchmark.info
    print(f"version {benchmark.version}: {benchmark.title}")
    print(f"{len(info.classes)} classes, {info.layout.num_joints} joints ({info.layout.name}), {info.coordinates}D")
    print(f"{info.fps:g} frames per second, at most {info.persons} persons, unit {info.unit}")
    print(f"splits: {', '.join(benchmark.splits)} (default {benchmark.default_split}); preset {benchmark.preset}")
    print(f"licence: {benchmark.licence}")
    print(f"cite: {benchmark.citation}")
