"""Where things lie on this machine: home and working folders, prepared datasets, which of them a person imported.

Imports nothing heavy. ``sslskel.data`` knows what a prepared dataset holds.
"""

from __future__ import annotations

import os
from pathlib import Path

from sslskel.errors import UsageError

BENCHMARK_FILE = "benchmark.json"
"""A prepared dataset with this file is a benchmark of its own: imported data."""
ROOT = "SSLSKEL_DATA"
"""Environment variable that names the folder of all prepared datasets."""


def user_path(text: str) -> Path:
    """A path that a person wrote: ``~`` in front is their home, ``~name`` another user's; ``./~`` is a file.

    Raises ``UsageError`` where there is no such home.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as fault:
        whose = text.partition("/")[0]
        raise UsageError(
            f"'{text}' cannot be found: the home folder '{whose}' is not known on this machine; write the whole path"
        ) from fault


def working_folder() -> Path:
    """The folder that a command is given in; ``UsageError`` where it is gone or may not be looked up."""
    try:
        return Path.cwd()
    except OSError as fault:
        raise UsageError(
            f"the working folder cannot be found ({fault.strerror}): change to one that exists, and try again"
        ) from fault


def data_root() -> Path:
    """Folder of all prepared datasets: $SSLSKEL_DATA, else sslskel/datasets in the user's cache.

    Raises ``UsageError`` where neither is known.
    """
    root = _known_root()
    if root is None:
        raise UsageError(f"the home folder of this user is not known; name a folder for datasets: {ROOT}=FOLDER")
    return root


def imported_sets(root: Path | None = None) -> list[Path]:
    """Folders of the sets that were imported on this machine, sorted by name; none for a user without a home."""
    root = root or _known_root()
    files = [] if root is None else root.glob(f"*/{BENCHMARK_FILE}")
    # A name with a dot in front is a set that is still being written.
    return sorted(path.parent for path in files if not path.parent.name.startswith("."))


def _known_root() -> Path | None:
    """None where no variable names a folder and the user has no home; ``UsageError`` for a name that means none."""
    if os.environ.get(ROOT):
        return _of_variable(ROOT)
    if os.environ.get("XDG_CACHE_HOME"):
        return _of_variable("XDG_CACHE_HOME") / "sslskel" / "datasets"
    home = Path(os.path.expanduser("~"))
    return None if home == Path("~") else home / ".cache" / "sslskel" / "datasets"


def _of_variable(name: str) -> Path:
    """The path that an environment variable holds."""
    try:
        return user_path(os.environ[name])
    except UsageError as fault:
        raise UsageError(f"environment variable {name}: {fault}") from fault
