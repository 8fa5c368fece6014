"""Show a plugin: what it is, where it comes from, its version, and its options with their defaults."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sslskel.errors import UsageError

if TYPE_CHECKING:
    from sslskel.api.benchmark import Benchmark
    from sslskel.api.method import PretextMethod
    from sslskel.plugins.registry import Registry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel show``."""
    parser.add_argument("name", help="a method, backbone, benchmark or protocol, or the options clip, train or engine")
    parser.add_argument("--kind", choices=("method", "backbone", "benchmark", "protocol"), help="where names collide")


def run(options: argparse.Namespace) -> int:
    """Print the card of one plugin, or a group of options that belongs to none."""
    from sslskel.config.groups import COMMON
    from sslskel.plugins.registry import BENCHMARKS, REGISTRIES

    kinds = [options.kind + "s"] if options.kind else [k for k, r in REGISTRIES.items() if options.name in r.names()]
    if not kinds and options.name in COMMON:
        _group(options.name, COMMON[options.name])
    elif not kinds:
        from sslskel.errors import did_you_mean

        names = [*COMMON, *(name for registry in REGISTRIES.values() for name in registry.names())]
        raise UsageError(
            f"there is nothing called '{options.name}'{did_you_mean(options.name, names)} (`sslskel list`)"
        )
    for kind in kinds:
        registry = REGISTRIES[kind]
        print(f"{options.name}: {registry.kind}, {registry.entry(options.name).origin}")
        if kind == "benchmarks":
            _benchmark(BENCHMARKS.get(options.name))
        else:
            _plugin(registry, options.name)
    return 0


def _group(name: str, config: type) -> None:
    from sslskel.config.compose import to_plain

    print(f"{name}: options of every run")
    print(inspect.cleandoc(config.__doc__ or ""))
    print("options, where no method and no preset says otherwise:")
    for key, value in to_plain(config()).items():
        print(f"  {name}.{key}={value}")


def _plugin(registry: Registry[Any], name: str) -> None:
    from sslskel.config.compose import to_plain

    plugin, preset = registry.get(name), dict(registry.preset(name))
    print(f"version {plugin.version}")
    print(inspect.cleandoc(plugin.__doc__ or "no description"))
    if preset:
        print(f"preset of '{preset['plugin']}': {preset.get('title', '')}")
    if "stages" in preset:
        print(f"stages: {', then '.join(stage['method'] for stage in preset['stages'])}")
    changed = preset.get("config", {})
    print("options:")
    for key, value in to_plain(plugin.Config()).items():
        print(f"  {registry.kind}.{key}={changed.get(key, value)}")
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
