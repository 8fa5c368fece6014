"""Every combination of option values, in Hydra's grammar: ``train.lr=1e-3,5e-4``, ``choice(...)``, ``range(...)``.

What is done with a combination is the harness's business; nothing here chooses among results.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from sslskel.errors import UsageError

MOST = 10_000
"""Combinations that one command takes; more is a slip of the pen."""


def combinations(overrides: Sequence[str]) -> list[list[str]]:
    """The overrides of every combination, in the order of an odometer; one where nothing is swept.

    Raises ``UsageError`` for a word that Hydra cannot read, an interval, which has no list of
    values, and for more than ``MOST`` combinations.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    choices = []
    for word in overrides:
        try:
            parsed = OverridesParser.create().parse_override(word)
            if parsed.is_sweep_override():
                choices.append([f"{parsed.key_or_group}={value}" for value in parsed.sweep_string_iterator()])
            else:
                choices.append([word])
        except (HydraException, ValueError) as fault:
            reason = " ".join(str(fault).split())
            raise UsageError(
                f"'{word}' gives no list of values ({reason}); write GROUP.KEY=A,B or GROUP.KEY=range(1,4)"
            ) from fault
    total = 1
    for values in choices:
        total *= len(values)
    if total > MOST:
        raise UsageError(f"{total:,} combinations are asked for; a sweep takes at most {MOST:,}")
    return [list(chosen) for chosen in itertools.product(*choices)]
