"""Where prepared datasets lie on this machine, and which of them a person imported. Imports nothing heavy.

``sslskel.data`` knows what a prepared dataset holds.
"""

from __future__ import annotations

import os
from pathlib import Path

BENCHMARK_FILE = "benchmark.json"
"""A prepared dataset with this file is a benchmark of its own: imported data."""


def data_root() -> Path:
    """Folder of all prepared datasets: $SSLSKEL_DATA, else sslskel/datasets in the user's cache."""
    if chosen := os.environ.get("SSLSKEL_DATA"):
        return Path(chosen).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "sslskel" / "datasets"


def imported_sets(root: Path | None = None) -> list[Path]:
    """Folders of the sets that were imported on this machine, sorted by name."""
    files = (root or data_root()).glob(f"*/{BENCHMARK_FILE}")
    # A name with a dot in front is a set that is still being written.
    return sorted(path.parent for path in files if not path.parent.name.startswith("."))
