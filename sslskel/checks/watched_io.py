"""Watches what a plugin opens: files, sockets, processes. Which of it is a fault is for the checks."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sslskel.checks.runner import expect
from sslskel.plugins import registry

_IO = ("open", "os.", "socket.", "subprocess.", "shutil.", "urllib.")
_SYSTEM = tuple(Path(place).resolve() for place in (sys.prefix, sys.base_prefix, "/proc", "/sys", "/dev"))
"""Folders of the system and of installed packages, whose files are not a plugin's own."""


class IoEvent(NamedTuple):
    """One event that Python's audit hooks report."""

    kind: str
    what: str


class _Watch(threading.local):
    events: list[IoEvent] | None = None


_watch = _Watch()
_hooked: list[bool] = []


@contextmanager
def watched_io() -> Iterator[list[IoEvent]]:
    """What the block opens, as it does so; what Python's import system and registries open is left out."""
    if not _hooked:
        # Python's audit hooks cannot be taken away again; this one is idle outside the block.
        sys.addaudithook(_note)
        _hooked.append(True)
    events = _watch.events = []
    try:
        with _safetensors_watched():
            yield events
    finally:
        _watch.events = None


@contextmanager
def no_io() -> Iterator[None]:
    """Fail the running check where the block opens a file, a socket or a process (modules excepted)."""
    with watched_io() as events:
        yield
    shown = "; ".join(" ".join(event).strip() for event in events[:3])
    expect(
        not events,
        f"the constructor does I/O: {shown}; it must only build, so that a checkpoint opens on any machine (a method"
        " reads files in load_start and names them in origins)",
    )


@contextmanager
def opens_only(allowed: Sequence[Path], refusal: str) -> Iterator[None]:
    """Fail the running check where the block opens a file that is neither allowed nor below a folder that is.

    Files of the machine and of installed packages may be opened; ``refusal`` says what is wrong with others.
    """
    with watched_io() as events:
        yield
    places = (*(path.resolve() for path in allowed), *_SYSTEM)
    opened = [Path(event.what).resolve() for event in events if event.kind == "open" and not event.what.isdigit()]
    others = [str(path) for path in opened if not any(path.is_relative_to(place) for place in places)]
    expect(not others, f"{refusal}: {', '.join(list(dict.fromkeys(others))[:3])}")


def _note(event: str, args: tuple[object, ...]) -> None:
    if _watch.events is None or not event.startswith(_IO):
        return
    what = str(args[0]) if args else ""
    if not what.endswith((".py", ".pyc", ".so")) and not _looks_for_code():
        _watch.events.append(IoEvent(event, what))


def _looks_for_code() -> bool:
    """Whether Python's import system or a registry is at work, which list folders and open archives."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_filename.startswith(("<frozen importlib", str(registry.__file__))):
            return True
    return False


@contextmanager
def _safetensors_watched() -> Iterator[None]:
    """Note files that safetensors opens: from Rust, which no audit hook of Python sees."""
    import safetensors
    import safetensors.torch

    opened = safetensors.safe_open

    def noted(filename: object, *args: Any, **options: Any) -> object:
        if _watch.events is not None:
            _watch.events.append(IoEvent("open", str(filename)))
        return opened(filename, *args, **options)

    modules: list[Any] = [safetensors, safetensors.torch]
    for module in modules:
        module.safe_open = noted
    try:
        yield
    finally:
        for module in modules:
            module.safe_open = opened
