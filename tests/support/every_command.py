"""Every command with the arguments that it needs, found from its parser, and whether it ended properly.

``cases`` gives command lines for a small results folder that ``make_world`` makes; a new command or flag that no
value is known for is an error here.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from environments import Ended
from own_sets import CHAIN, write_set

from sslskel.cli.command import VERBS, parser_of
from sslskel.cli.parser import actions_of, arguments_of
from sslskel.grid.request import GridRequest
from sslskel.grid.run import run_grid
from sslskel.paths import user_path

QUICK = ("backbone.dim=8", "backbone.depth=1", "backbone.heads=2")
TABLE = """
title: two floors
paper: none
protocol: knn
published: []
rows:
  - {name: a random network, method: random_init}
  - {name: clips as they are, method: raw_features}
"""
RUN = "RUN"
"""Stands for the folder of the pretraining in the results folder."""
VALUES = {
    "method": "random_init",
    "checkpoint": RUN,
    "clip": "0",
    "first": "random_init",
    "second": "raw_features",
}
OF_COMMAND = {
    "data": {"name": "tiny"},
    "data import": {"name": "mine"},
    "leaderboard merge": {"folders": "runs"},
    "check method": {"name": "random_init"},
    "check backbone": {"name": "transformer"},
    "check protocol": {"name": "knn"},
    "check dataset": {"name": "tiny"},
    "show": {"name": "random_init"},
    "new": {"name": "my_idea"},
}
"""Of a command, or of one of its actions."""
SMALL = ("--benchmark", "tiny")
GRID = ("--protocol", "knn", *SMALL, *QUICK)
ADDED: dict[str, tuple[str, ...]] = {
    "bench": ("--seeds", "1,", *GRID),
    "sweep": ("--seeds", "1,", *GRID),
    "pretrain": ("--seed", "1", *SMALL, *QUICK),
    "evaluate": ("--checkpoint", RUN, "--protocol", "retrieval"),
    "leaderboard merge": ("--results", "merged"),
    "ensemble": (*GRID[:4], "--method", "random_init", "--weights", "joint=1"),
    "reproduce": ("small", "--seeds", "2", *SMALL, *QUICK),
    "data import": ("--clips", "own/clips.csv", "--layout", "own/layout.yaml"),
    "doctor": ("--no-test",),
    "speed": ("--steps", "1", *SMALL, *QUICK),
}
"""What a command is given besides what its parser requires, so that it does some work."""
MORE = (
    ("--help",),
    ("--version",),
    ("bench", "--help"),
    ("bench", "--method", "random_init", "--dry-run", *ADDED["bench"]),
    ("leaderboard", "--format", "markdown"),
    ("leaderboard", "--format", "json"),
    ("list", "methods", "--check"),
    ("list", "methods", "--table"),
    ("list", "methods", *SMALL),
    ("reproduce",),
    ("errata", "ascal/labels"),
    ("runs", "prune", "--unfinished", "--yes"),
)
"""Command lines besides."""
FILES = ("output",)
"""Flags that name a file to write."""
WRITTEN = {"embed": "made.npz"}
"""What a command writes to that does not write every kind of file."""
ELSEWHERE = ("push",)
"""Commands that write to another machine; their own tests run them against one on loopback."""


def make_world(folder: Path) -> None:
    """A results folder of two floors under k-NN, a paper's table of the two, and a set to import."""
    request = GridRequest(
        methods=("random_init", "raw_features"),
        protocols=("knn",),
        benchmarks=("tiny",),
        output=folder / "runs",
        overrides=QUICK,
    )
    assert run_grid(request).failures == []
    tables = folder / "sslskel_plugins" / "configs" / "table"
    tables.mkdir(parents=True)
    (tables / "small.yaml").write_text(TABLE)
    write_set(folder / "own", CHAIN)


def cases() -> list[tuple[str, ...]]:
    """Command lines, at least one of every command and action, and one more for each file that it may write."""
    return [*MORE, *(line for verb in VERBS if verb not in ELSEWHERE for line in _lines((verb,), parser_of(verb)))]


def _lines(words: tuple[str, ...], parser: argparse.ArgumentParser) -> Iterator[tuple[str, ...]]:
    """Those of a command and of each of its actions."""
    arguments = [one for one in arguments_of(parser) if one.dest != "help"]
    inner = [one for one in arguments if isinstance(one.choices, dict)]
    if not any(one.required for one in inner):
        yield from _filled(words, [one for one in arguments if one not in inner])
    for name, action in actions_of(parser).items():
        yield from _lines((*words, name), action)


def _filled(words: tuple[str, ...], actions: Sequence[argparse.Action]) -> Iterator[tuple[str, ...]]:
    line = list(words)
    for action in (action for action in actions if action.required and action.nargs != "*"):
        value = WRITTEN.get(words[0], "made.html") if action.dest in FILES else _value(words, action.dest)
        line += [*action.option_strings[:1], value]
    line += ADDED.get(" ".join(words), ADDED.get(words[0], ()) if len(words) == 1 else ())
    yield tuple(line)
    for action in actions:
        if action.dest in FILES and action.type is user_path and action.default is None and not action.required:
            yield (*line, action.option_strings[0], "made")


def _value(words: tuple[str, ...], dest: str) -> str:
    for known in (OF_COMMAND.get(" ".join(words), {}), OF_COMMAND.get(words[0], {}), VALUES):
        if dest in known:
            return known[dest]
    raise AssertionError(f"`sslskel {' '.join(words)}` needs {dest}, and {__name__} knows no value for it")


def in_world(line: Sequence[str], folder: Path) -> list[str]:
    """A command line with the folder of the run in its place."""
    [run] = (folder / "runs" / "pretrain").glob("random_init-*")
    return [str(run) if word == RUN else word for word in line]


def listing(folder: Path) -> dict[str, bytes]:
    """Every file below a folder and what it holds."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def half_written(before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    """Files that a command left which are no whole ones: temporary, empty, cut, or gone."""
    bad = [name for name in before if name not in after and "claims" not in name]
    for name, content in after.items():
        new = before.get(name) != content
        hidden = any(part.startswith(".") for part in Path(name).parts)
        if new and (hidden or not content or (name.endswith(".json") and not _is_json(content))):
            bad.append(name)
    return bad


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True


def faults_of(words: list[str], ended: Ended, before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    """What is not proper in how a command ended, of the files before and after it."""
    code, out, err = ended.code, ended.out, ended.err
    faults: list[str] = []
    if "Traceback" in err or "Traceback" in (out or ""):
        faults.append("a traceback")
    said = [line for line in err.splitlines() if line.startswith("sslskel: ")]
    if code == 0 and out is not None and not out.strip() and words[:2] != ["runs", "prune"]:
        faults.append("0, and nothing was printed")
    if code not in (0, 1, 2, 75, 130):
        faults.append(f"exit code {code}")
    if code != 0 and not said and not (code == 1 and out and out.strip()):
        faults.append(f"{code} without a sentence")
    if code == 2 and (not said or err.strip().splitlines()[-1] != said[-1]):
        faults.append("2, and the last line is no sentence")
    faults += [f"half-written: {name}" for name in half_written(before, after)]
    return faults


def short(value: Any) -> str:
    """Words as an id of a test."""
    return " ".join(value) if isinstance(value, tuple) else str(value)
