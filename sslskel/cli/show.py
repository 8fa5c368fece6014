"""Show a plugin, preset, suite or exported encoder: what it is, where it comes from, its options and their meaning."""

from __future__ import annotations

import argparse
import inspect
import shlex
import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sslskel.errors import UsageError
from sslskel.leaderboard.formats.paper_table import AFTER
from sslskel.plugins.registry import DEFAULT_PROTOCOL
from sslskel.text import plain

if TYPE_CHECKING:
    from sslskel.api.benchmark import Benchmark
    from sslskel.api.method import PretextMethod
    from sslskel.plugins.registry import Registry

PRESET, SUITE, ENCODER = "preset", "suite", "encoder"
KINDS = ("method", "backbone", "benchmark", "protocol", PRESET, SUITE, ENCODER)
INDENT = " " * 6
WIDTH = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel show``."""
    parser.add_argument(
        "name",
        nargs="+",
        metavar="NAME",
        help="a method, backbone, benchmark, protocol, preset, suite or exported encoder, or the options clip, train or"
        " engine; its kind may stand before it",
    )
    parser.add_argument("--kind", choices=KINDS, help="where names collide")


def run(options: argparse.Namespace) -> int:
    """Print the card of one plugin, a preset, suite or encoder, or a group of options that belongs to none."""
    from sslskel.config.groups import COMMON

    (kind, name), known = _asked(options), known_names()
    kinds = [one for one, names in known.items() if name in names]
    if not kinds and name in COMMON and kind is None:
        _group(name, COMMON[name])
        return 0
    if kind is None and not kinds:
        from sslskel.errors import did_you_mean

        names = [*COMMON, *(one for names in known.values() for one in names)]
        raise UsageError(f"there is nothing called '{name}'{did_you_mean(name, names)} (`sslskel list`)")
    for one in [kind] if kind else kinds:
        _show(one, name)
    return 0


def known_names() -> dict[str, list[str]]:
    """Kind -> the names of what there is."""
    from sslskel.config.suites import suites
    from sslskel.plugins.encoders import encoder_folders
    from sslskel.plugins.presets import presets
    from sslskel.plugins.registry import REGISTRIES

    plugins = {str(one.kind): one.names() for one in REGISTRIES.values()}
    return {**plugins, PRESET: presets(), SUITE: suites(), ENCODER: [folder.name for folder in encoder_folders()]}


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

    of_files = {PRESET: _preset, SUITE: _suite, ENCODER: _encoder}
    if kind in of_files:
        of_files[kind](name)
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


def _suite(name: str) -> None:
    """What a suite fixes."""
    from sslskel.config.suites import read_suite
    from sslskel.plugins.registry import only_file, origin_of

    suite = read_suite(name)
    print(f"{name}: suite, {origin_of(only_file('suite', name))}")
    print(f"version {suite.version}: {suite.title}")
    print(f"preset {suite.preset}, {suite.seeds} seeds, protocols {', '.join(suite.protocols)}; the first one ranks")
    for task, places in suite.tasks.items():
        print(f"{task}: {', '.join(places)}")
    print(f"ranks and means over: {', '.join(suite.ranked)}")
    print(f"floors: {', '.join(suite.floors)}")
    if suite.untrained:
        print(f"gains over no learning: {' '.join(suite.untrained)}")
    for protocol, method in suite.references.items():
        print(f"supervised reference: {method} by {protocol}")
    print(f"pretraining on all of it, --pretrain-on suite:{name}: {' '.join(suite.pretraining)}")
    print(f"`sslskel bench --suite {name} --method METHOD` runs it, `sslskel leaderboard --suite {name}` ranks it")


def _encoder(name: str) -> None:
    """What an exported encoder says of itself."""
    from sslskel.encoders.export import CARD
    from sslskel.encoders.meta import CheckpointMeta
    from sslskel.plugins.encoders import checkpoint_path, encoder_folders

    folder = next((one for one in encoder_folders() if one.name == name), None) or checkpoint_path(name)
    meta = CheckpointMeta.read(folder)
    print(f"{plain(name)}: encoder, {plain(folder)}")
    print(f"method {plain(meta.method.name)}, version {meta.method.version}; backbone {plain(meta.backbone.name)}")
    print(f"preset {plain(meta.preset)}, seed {meta.seed}, pretrained for {plain(meta.benchmark.name)}")
    for part in meta.seen:
        place = f"{part['dataset']}/{part['split']}"
        print(f"saw {part['clips']:,} clips of {plain(place)}, part {plain(part['part'])}")
    if not meta.seen:
        print("saw no clips")
    print(f"its card: {plain(folder / CARD)}")
    print(f"`sslskel evaluate --checkpoint {shlex.quote(plain(name))} --protocol {DEFAULT_PROTOCOL}` evaluates it")


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
        print(AFTER)
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
