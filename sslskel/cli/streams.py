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

    def __init__(self, stream: TextIO, spare: bool = False) -> None:
        """``spare`` is for messages: where they cannot be written they are lost, and the work goes on."""
        self._stream = stream
        self._spare = spare

    def write(self, text: str) -> int:
        """Write text; returns the number of its characters. Raises as :meth:`flush`."""
        with _writing(self._stream, self._spare):
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                self._stream.write(in_encoding(text, self._stream.encoding or "ascii"))
        return len(text)

    def flush(self) -> None:
        """Send what waits. Raises ``RunError`` in one sentence where it cannot be written."""
        with _writing(self._stream, self._spare):
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

    def __init__(self, stream: TextIO, spare: bool = False) -> None:
        super().__init__(stream, spare)
        # While bars are shown, the stream is one of Rich's own, with one like this and the real one behind it.
        real: Any = stream
        while (behind := getattr(real, "rich_proxied_file", None)) is not None:
            real = behind
        self.rich_proxied_file = real if isinstance(real, SafeStream) else SafeStream(real, spare)

    def write(self, text: str) -> int:
        """Write text; returns the number of its characters. Raises as :meth:`flush`."""
        super().write(printable(text))
        return len(text)


@contextlib.contextmanager
def _writing(stream: TextIO, spare: bool) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        if isinstance(fault, BrokenPipeError) and not spare:
            raise
        # What waits would fail again when the interpreter ends.
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        if spare:
            return
        raise RunError(f"what a command prints cannot be written ({fault.strerror}); free some space there") from fault


@contextlib.contextmanager
def clean_streams() -> Iterator[None]:
    """Within, standard output and errors are clean."""
    before = sys.stdout, sys.stderr
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        # Python has no stream for what was closed before it began.
        output, errors = (nowhere if stream is None else stream for stream in before)
        sys.stdout, sys.stderr = CleanStream(output), CleanStream(errors, spare=True)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before
