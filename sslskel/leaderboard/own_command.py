"""The command of one cell, cut out of the command of the grid that made it."""

from __future__ import annotations

import json
import re
import shlex

from sslskel.results.record import Record

VERBS = ("bench", "sweep")
"""Commands that make grids; others do one thing already."""
OTHERS = ("--jobs", "--launcher", "--trials", "--search-seed", "--output")
"""Flags with a value that say how a grid is run, and nothing of a cell; ``--output`` stands in records of old."""
BARE = ("--dry-run", "--details", "--intervals")
_OPTION = re.compile(r"(?P<group>[a-z]+)\.(?P<key>\w+)=.*", re.DOTALL)


def own_command(record: Record) -> str:
    """The command that makes this record alone; empty where the one that made it is no grid's, or a suite's.

    It asks for the record's method, benchmark, protocol and seed, and otherwise for what the grid asked for.
    """
    try:
        words = shlex.split(record.command)
    except ValueError:
        return ""
    # A suite adds rows to each method that is asked for.
    suite = any(word.partition("=")[0] == "--suite" for word in words)
    if len(words) < 2 or words[0] != "sslskel" or words[1] not in VERBS or suite:
        return ""
    benchmark, split = record.benchmark["name"], record.benchmark["split"]
    has_split = any(word.partition("=")[0] == "--split" for word in words)
    own = {
        "--method": record.method["name"],
        "--benchmark": benchmark if has_split else f"{benchmark}/{split}",
        "--protocol": record.protocol["name"],
        "--seeds": f"{record.seed},",
    }
    rest = [_chosen(word, record) for word in _without(words[2:], {*own, *OTHERS})]
    named = [part for flag, value in own.items() for part in (flag, value)]
    return shlex.join(["sslskel", "bench", *named, *(word for word in rest if word)])


def _without(words: list[str], flags: set[str]) -> list[str]:
    """The words but these flags and their values, and without flags of grids alone."""
    kept, skip = [], False
    for word in words:
        flag, equals, _ = word.partition("=")
        if skip:
            skip = False
        elif flag in flags:
            skip = not equals
        elif word not in BARE:
            kept.append(word)
    return kept


def _chosen(word: str, record: Record) -> str:
    """An option with the value that this record has, where a sweep was given several.

    Empty where the option is of other methods, backbones or protocols of the grid.
    """
    match = _OPTION.fullmatch(word)
    if not match:
        return word
    if match["group"] == "launcher":
        return ""
    values = record.config.get(match["group"])
    # Those of a stage before the last one are not among its options.
    if values is None or "stages" in record.config:
        return word
    if match["key"] not in values:
        return ""
    if not record.command.startswith("sslskel sweep"):
        return word
    value = values[match["key"]]
    return f"{match['group']}.{match['key']}={value if isinstance(value, str) else json.dumps(value)}"
