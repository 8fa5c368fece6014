"""What a command prints cannot steer a terminal, whatever names are in it, and fits any encoding."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from sslskel.errors import RunError
from sslskel.text import in_encoding, printable


class SafeStream:
    """A text stream that says in one sentence what hinders it, and writes plain forms of what its encoding lacks."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text; returns the number of its characters. Raises as :meth:`flush`."""
        with _writing(self._stream):
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                self._stream.write(in_encoding(text, self._stream.encoding or "ascii"))
        return len(text)

    def flush(self) -> None:
        """Send what waits. Raises ``RunError`` in one sentence where it cannot be written."""
        with _writing(self._stream):
            self._stream.flush()

    def writelines(self, lines: list[str]) -> None:
        """Write texts one after the other."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


class CleanStream(SafeStream):
    """The same, which also shows control characters instead of sending them.

    Rich, whose control characters are wanted, finds the stream behind it and cleans what it is given itself.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        # While bars are shown, the stream is one of Rich's own, with one like this and the real one behind it.
        real: Any = stream
        while (behind := getattr(real, "rich_proxied_file", None)) is not None:
            real = behind
        self.rich_proxied_file = real if isinstance(real, SafeStream) else SafeStream(real)

    def write(self, text: str) -> int:
        """Write text; returns the number of its characters. Raises as :meth:`flush`."""
        super().write(printable(text))
        return len(text)


@contextlib.contextmanager
def _writing(stream: TextIO) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as fault:
        # What waits would fail again when the interpreter ends.
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        raise RunError(f"what a command prints cannot be written ({fault.strerror}); free some space there") from fault


@contextlib.contextmanager
def clean_streams() -> Iterator[None]:
    """Within, standard output and errors are clean."""
    before = sys.stdout, sys.stderr
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        # Python has no stream for what was closed before it began.
        sys.stdout, sys.stderr = (CleanStream(nowhere if stream is None else stream) for stream in before)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before
