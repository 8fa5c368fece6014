"""What an import did, as lines for a person: kept, left out and why, damaged, counts. The whole of it is report.json.

What is counted is the importers' business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from textwrap import shorten
from typing import Any

SHOWN = 10
"""Most damaged files that are named one by one."""
LONGEST = 400
"""Characters of a note; a longer one ends in [...], and is whole in report.json."""


def account(report: Mapping[str, Any]) -> list[str]:
    """Lines about what ``StoredDataset.report`` returns."""
    counts, faults = report["counts"], list(report["faults"].values())
    lines = [f"{counts['clips']:,} clips kept, {len(report['dropped']):,} left out, {len(faults):,} files damaged"]
    lines += [f"left out: {number:,}: {reason}" for reason, number in Counter(report["dropped"].values()).most_common()]
    lines += [f"done: {what}: {number:,}" for what, number in sorted(report["tally"].items())]
    lines += [f"damaged: {fault}" for fault in faults[:SHOWN]]
    if len(faults) > SHOWN:
        lines.append(f"damaged: {len(faults) - SHOWN:,} more, all in report.json")
    agreed = [f"{what} {expected:,}" for what, (found, expected) in report["expected"].items() if found == expected]
    if agreed:
        lines.append(f"as expected: {', '.join(agreed)}")
    return lines + [f"note: {shorten(note, LONGEST)}" for note in report["notes"]]
