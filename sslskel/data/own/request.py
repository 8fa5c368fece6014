"""The options of an import, and the command line that asks the same."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from sslskel.data.store.rows import is_safe
from sslskel.errors import UsageError


@dataclass(frozen=True)
class Request:
    """The options of an import; paths and values as they were entered."""

    name: str
    clips: tuple[Path, ...] | None = None
    """Labels table, or the files of a whole set."""
    pyskl: tuple[Path, ...] | None = None
    """Pickles in pyskl's form, instead of a table."""
    layout: str | None = None
    """Layout file or known layout."""
    source: Path | None = None
    """Folder of the table's files; where the table lies, unless named."""
    fps: float | None = None
    unit: str | None = None
    split_by: str = "subject"
    train: tuple[str, ...] | None = None
    validation: tuple[str, ...] | None = None
    name_pattern: str | None = None
    strict: bool = False
    overrides: tuple[str, ...] = ()
    """``KEY=VALUE`` of the layout file."""

    def command(self) -> str:
        """The command line that asks the same."""
        argv = ["sslskel", "data", "import", self.name]
        for key, value in vars(self).items():
            if key not in ("name", "overrides") and value not in (None, False, "subject"):
                argv.append("--" + key.replace("_", "-"))
                if key in ("clips", "pyskl"):
                    argv += map(str, value)
                elif value is not True:
                    argv.append(",".join(value) if isinstance(value, tuple) else str(value))
        return shlex.join([*argv, *self.overrides])

    def check(self) -> None:
        """Raise ``UsageError`` for a name that no benchmark may have, and for options that exclude each other."""
        if not is_safe(self.name):
            raise UsageError(
                f"a benchmark cannot be called '{self.name}'; take letters, digits, '.', '_' and '-' only, for instance"
                f" {re.sub('[^A-Za-z0-9]+', '_', self.name).strip('_') or 'my_data'}"
            )
        if (self.clips is None) == (self.pyskl is None):
            raise UsageError("give either --clips TABLE (a labels table) or --pyskl FILE (a pickle in pyskl's form)")
        if self.pyskl is not None and self.source is not None:
            raise UsageError("--source says where the files of a table lie, and a pickle names none; leave it out")
        if self.fps is not None and not 0 < self.fps < 1e6:
            raise UsageError(f"--fps {self.fps} is not a frame rate; give a number above 0")
