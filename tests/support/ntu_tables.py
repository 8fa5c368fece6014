"""Tables of what released code makes of recordings of NTU RGB+D."""

from __future__ import annotations

import csv
from pathlib import Path


def table(golden: Path, name: str) -> list[dict[str, str]]:
    with (golden / "expected" / name).open(newline="") as file:
        return list(csv.DictReader(file))
