"""Flags that several verbs share, and the request that they make."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sslskel.errors import UsageError
from sslskel.paths import user_path
from sslskel.plugins.registry import DEFAULT_BENCHMARK, DEFAULT_PROTOCOL

if TYPE_CHECKING:
    from sslskel.grid.request import GridRequest

OVERRIDES_HELP = "GROUP.KEY=VALUE sets an option (`sslskel show NAME` and `sslskel show train` list them)"
JOBS_HELP = "pretrainings to run at once, each in its own process (default: one, in this process)"


def names(text: str) -> tuple[str, ...]:
    """A comma list without empty names."""
    chosen = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not chosen:
        raise UsageError(f"'{text}' names nothing; give one name or a comma list")
    return chosen


def add_run_flags(parser: argparse.ArgumentParser) -> None:
    """Where and how a run is made."""
    parser.add_argument("--split", help="official split (default: the benchmark's own)")
    parser.add_argument("--backbone", help="backbone (default: the method's own)")
    parser.add_argument("--preset", help="named sizes and schedules (default: the benchmark's own)")
    add_results_flag(parser)
    parser.add_argument(
        "--init",
        type=user_path,
        metavar="CHECKPOINT[:PART]",
        help="checkpoint whose weights pretraining starts from, for all seeds, or per seed: a folder of one run of each"
        " seed, or a path with {seed} in it; :PART takes a part (encoder, a module's name, or THEIRS=OURS)",
    )
    add_keep_flag(parser)
    add_mode_flag(parser)
    add_engine_flags(parser)


def add_results_flag(parser: argparse.ArgumentParser, text: str = "results folder") -> None:
    """The folder of records and pretrainings; ``text`` says what it is for."""
    parser.add_argument("--results", default="runs", type=user_path, help=f"{text} (default: runs)")


def add_keep_flag(parser: argparse.ArgumentParser) -> None:
    """What becomes of results whose plugins were edited since."""
    parser.add_argument(
        "--keep-results",
        action="store_true",
        help="keep results of plugins that were edited at the same version: their numbers are unchanged",
    )


def add_details_flag(parser: argparse.ArgumentParser) -> None:
    """What a board shows besides scores and the key findings."""
    parser.add_argument(
        "--details",
        action="store_true",
        help="show all findings, published numbers, recipes, seeds, costs and versions too",
    )


def add_process_flags(parser: argparse.ArgumentParser) -> None:
    """How many processes train together; the batch size stays that of all of them."""
    parser.add_argument("--processes", type=int, default=1, help="processes that train one model together (default: 1)")
    parser.add_argument("--max-restarts", type=int, default=0, help="how many times a run that lost a process restarts")


def started_processes(options: argparse.Namespace) -> bool:
    """Start what ``--processes`` asks for and wait for it; False in one of them, or where one is enough."""
    from sslskel.engine.elastic import check_processes, is_launched, run_processes

    check_processes(options.processes, options.max_restarts)
    if is_launched() or (options.processes == 1 and not options.max_restarts):
        return False
    run_processes(options.argv, options.processes, options.max_restarts)
    return True


def add_engine_flags(parser: argparse.ArgumentParser) -> None:
    """Device and precision; short for ``engine.device`` and ``engine.precision``."""
    parser.add_argument("--device", help="auto, cpu, cuda, cuda:1 ... (default: auto)")
    parser.add_argument("--precision", help="fp32, tf32, bf16, fp16 or fp64 (default: fp32)")


def add_mode_flag(parser: argparse.ArgumentParser) -> None:
    """What a pretraining computes, by name; short for two options."""
    parser.add_argument(
        "--mode",
        help="exact (all bodies, fp32), present (persons that are there, fp32; the default) or fast (present, bf16)",
    )


def engine_overrides(options: argparse.Namespace) -> list[str]:
    """The overrides of a command, its engine flags first; a command without methods applies its mode itself."""
    named = _mode(options) if getattr(options, "mode", None) else []
    flags = [f"engine.{name}={getattr(options, name)}" for name in ("device", "precision") if getattr(options, name)]
    return [*named, *flags, *options.overrides]


def _mode(options: argparse.Namespace) -> list[str]:
    from sslskel.config.modes import mode_overrides

    if options.precision:
        raise UsageError(f"--mode {options.mode} sets the precision already; leave out --precision {options.precision}")
    methods = getattr(options, "method", None)
    return mode_overrides(options.mode, names(methods)) if methods else []


def request_of(options: argparse.Namespace, variants: Sequence[Sequence[str]] = ((),)) -> GridRequest:
    """What a command asks for. Flags that it lacks keep their defaults; ``UsageError`` for what names nothing."""
    from sslskel.grid.request import GridRequest, parse_seeds

    methods = getattr(options, "method", None)
    protocols = (options.protocol or DEFAULT_PROTOCOL) if hasattr(options, "protocol") else ""
    seeds = parse_seeds(options.seeds or "1") if hasattr(options, "seeds") else (options.seed,)
    return GridRequest(
        methods=names(methods) if methods else (),
        protocols=names(protocols) if protocols else (),
        benchmarks=names(options.benchmark or DEFAULT_BENCHMARK),
        seeds=seeds,
        output=options.results,
        split=options.split,
        backbone=getattr(options, "backbone", None),
        preset=options.preset,
        overrides=tuple(engine_overrides(options)),
        init=getattr(options, "init", None),
        pretrain_on=getattr(options, "pretrain_on", None),
        keep_results=options.keep_results,
        variants=tuple(map(tuple, variants)),
    )
