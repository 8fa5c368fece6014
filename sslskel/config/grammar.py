"""Option values in Hydra's grammar: all combinations of ``train.lr=1e-3,5e-4``, ``choice(...)``, ``range(...)``.

And the same, with ``interval(...)``, as the dimensions of a space to search. The grid
runs the combinations; nothing here chooses among results.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sslskel.errors import UsageError

MOST = 10_000
"""Combinations that one command takes; more is a slip of the pen."""

Drawn = int | float | str
"""A value that a search has chosen: a number of an interval, a place among ordered values, or one of the others."""


def combinations(overrides: Sequence[str]) -> list[list[str]]:
    """The overrides of every combination, in the order of an odometer; one where nothing is swept.

    Raises ``UsageError`` for an override that Hydra cannot read, an interval, which has no list of
    values, and for more than ``MOST`` combinations.
    """
    choices = []
    for override in overrides:
        parsed = _parsed(override)
        if not parsed.is_sweep_override():
            choices.append([override])
            continue
        with _explained(override):
            choices.append([f"{parsed.key_or_group}={value}" for value in parsed.sweep_string_iterator()])
    total = 1
    for values in choices:
        total *= len(values)
    if total > MOST:
        raise UsageError(f"{total:,} combinations are asked for; a sweep takes at most {MOST:,}")
    return [list(chosen) for chosen in itertools.product(*choices)]


@dataclass(frozen=True)
class Dimension:
    """One option of a search: some values, or everything from ``low`` to ``high``."""

    key: str
    values: tuple[str, ...] = ()
    """As they are written in an override; empty for an interval."""
    ordered: bool = False
    low: float = 0
    """Both ends belong to the interval; two whole numbers are an interval of whole numbers."""
    high: float = 0
    log: bool = False

    def option(self, drawn: Drawn) -> str:
        """The override of a drawn value."""
        return f"{self.key}={self.values[int(drawn)] if self.ordered else drawn}"

    def rounded(self, drawn: Drawn) -> Drawn:
        """A number of the interval with four significant digits, which people can read; whole ones as they are."""
        return min(max(float(f"{drawn:.4g}"), self.low), self.high) if isinstance(drawn, float) else drawn

    def ends(self) -> tuple[Drawn, ...]:
        """What may be drawn and is worth trying out: every value, or both ends of the interval."""
        if self.values:
            return tuple(range(len(self.values))) if self.ordered else self.values
        return self.low, self.high


def dimensions(overrides: Sequence[str]) -> tuple[list[str], list[Dimension]]:
    """The overrides that are fixed, and the space that the others span.

    ``interval(1e-4,1e-2)`` are numbers in between, ``int(interval(1,8))`` whole ones,
    ``tag(log,interval(1e-4,1e-2))`` numbers that are drawn by their logarithm; ``range`` is
    ordered, lists and ``choice`` are not. Raises ``UsageError`` as :func:`combinations` does.
    """
    fixed, space = [], []
    for override in overrides:
        parsed = _parsed(override)
        if not parsed.is_sweep_override():
            fixed.append(override)
            continue
        value, key = parsed.value(), parsed.key_or_group
        tags = set(value.tags)
        if tags - {"log"} or (tags and not parsed.is_interval_sweep()):
            raise UsageError(f"'{override}': the only tag is 'log', and it is for an interval: tag(log,interval(1,9))")
        if parsed.is_interval_sweep():
            if not value.start < value.end or ("log" in tags and value.start <= 0):
                raise UsageError(
                    f"'{override}' is not an interval: the first number must be the smaller one, and positive with log"
                )
            space.append(Dimension(key, low=value.start, high=value.end, log="log" in tags))
            continue
        with _explained(override):
            values = tuple(str(one) for one in parsed.sweep_string_iterator())
        if not values:
            raise UsageError(f"'{override}' holds no value; write GROUP.KEY=A,B or GROUP.KEY=range(1,4)")
        space.append(Dimension(key, tuple(dict.fromkeys(values)), ordered=parsed.is_range_sweep()))
    return fixed, space


def _parsed(override: str) -> Any:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    with _explained(override):
        return OverridesParser.create().parse_override(override)


@contextlib.contextmanager
def _explained(override: str) -> Iterator[None]:
    """Turn what Hydra says of an override into one sentence."""
    from hydra.errors import HydraException

    try:
        yield
    except (HydraException, ValueError) as fault:
        reason = " ".join(str(fault).split())
        raise UsageError(
            f"'{override}' gives no list of values ({reason}); write GROUP.KEY=A,B or GROUP.KEY=range(1,4), or"
            " interval(0,1) with --trials"
        ) from fault
