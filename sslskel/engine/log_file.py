"""The log of a run for people: a text file in its folder whose lines have times, appended to by every attempt."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from pathlib import Path

from sslskel.api.distributed import rank
from sslskel.errors import SslskelError
from sslskel.text import plain

NAME = "log.txt"


class LogFile(logging.Handler):
    """Appends to ``folder/log.txt``, the warnings of sslskel among the rest; a disk that takes none ends no run."""

    def __init__(self, folder: Path) -> None:
        super().__init__(logging.WARNING)
        self._path = folder / NAME

    def line(self, text: str) -> None:
        """Add one line, with date, time and offset from UTC; of several processes the first writes."""
        if rank() == 0:
            with contextlib.suppress(OSError), self._path.open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S %z')}  {plain(text)}\n")

    def emit(self, record: logging.LogRecord) -> None:
        """Add a warning."""
        self.line(f"{record.levelname.lower()}: {record.getMessage()}")

    @contextlib.contextmanager
    def kept(self, begin: str) -> Iterator[None]:
        """Keep warnings while the block runs, and how it began and ended."""
        logger = logging.getLogger("sslskel")
        logger.addHandler(self)
        self.line(begin)
        try:
            yield
        except BaseException as fault:
            kind = "" if isinstance(fault, SslskelError) else f"{type(fault).__name__}: "
            self.line(f"ended: {kind}{fault}")
            raise
        else:
            self.line("finished")
        finally:
            logger.removeHandler(self)
