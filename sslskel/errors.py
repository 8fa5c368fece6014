"""The few exceptions that become one sentence for a person.

Raise these for anything a person can correct; everything else is a bug and keeps
its traceback. The CLI prints the message and exits with ``exit_code``.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterable

_MOST_KNOWN, _LONGEST = 2000, 100
"""Words that are compared with a misspelt one, and letters of each: more would take longer than a person waits."""
_WORD, _KEPT = 260, 80
"""Letters that a word of a sentence may have, quotes included, and those that are kept of a longer one."""
_WORDS = re.compile(r"[^\s/\\]+")


def _cut(sentence: str) -> str:
    return _WORDS.sub(lambda match: _short(match[0]), sentence)


def _short(word: str) -> str:
    signs = word[len(word.rstrip("'\"),;:.")) :][:4]
    return word if len(word) <= _WORD else f"{word[:_KEPT]}...{signs}"


class SslskelError(Exception):
    """Base of every error that is shown as one sentence; a failed run exits 1.

    What it quotes of a stranger's file may be of any length: a word longer than names of files are is cut.
    """

    exit_code = 1

    def __init__(self, *arguments: object) -> None:
        super().__init__(*(_cut(value) if isinstance(value, str) else value for value in arguments))


class UsageError(SslskelError):
    """A wrong flag, name, key, type or value; nothing was started; exits 2."""

    exit_code = 2


class DataError(UsageError):
    """A source file or prepared dataset that cannot be used; names file and fault."""


class CheckpointError(UsageError):
    """A checkpoint that is missing, damaged or made for something else."""


class PluginError(UsageError):
    """A plugin whose own code raised what it did not foresee; names the plugin, its file and line."""


class RunError(SslskelError):
    """A run that started and failed: non-finite loss, full disk, lost process."""


class Diverged(RunError):
    """A loss, gradient or feature that is not finite: the same options would end the same way again."""


class Interrupted(SslskelError):
    """Ctrl-C (130) or a scheduler's signal (75); the same command continues."""

    exit_code = 130


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest known word, or ``""``."""
    short = [name for name in itertools.islice(known, _MOST_KNOWN) if len(name) <= _LONGEST]
    close = difflib.get_close_matches(word[:_LONGEST], short, n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""
