"""What machines may lack: a home, a working folder, the right to write, room on the device that is printed to."""

from __future__ import annotations

import ctypes
import io
import os
import pwd
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TextIO

import pytest

from sslskel.cli import main

NOBODY = "~nouser"
"""A home that no machine has."""


@dataclass(frozen=True)
class Ended:
    """How a command ended; ``out`` is None where nobody could read what it printed."""

    code: int
    out: str | None
    err: str


def run_in(words: Sequence[str], out: TextIO | None = None) -> Ended:
    """Run a command in this process; whatever is not the command's own error is raised."""
    printed, err = io.StringIO() if out is None else out, io.StringIO()
    with redirect_stdout(printed), redirect_stderr(err):
        try:
            code = main(words)
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Ended(code, printed.getvalue() if isinstance(printed, io.StringIO) else None, err.getvalue())


def forget_home(patch: pytest.MonkeyPatch) -> None:
    """The user has no home and no entry among the users, as in a container that runs as any number."""

    def unknown(who: object) -> NoReturn:
        raise KeyError(f"uid or name not found: {who}")

    for name in ("HOME", "XDG_CACHE_HOME", "SSLSKEL_DATA"):
        patch.delenv(name, raising=False)
    patch.setattr(pwd, "getpwuid", unknown)
    patch.setattr(pwd, "getpwnam", unknown)


def leave_for_a_lost_folder(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """The working folder is removed by somebody else."""
    folder.mkdir()
    patch.chdir(folder)
    folder.rmdir()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Inside, nothing below a folder can be written, not even by root."""
    paths = [folder, *folder.rglob("*")]
    modes = [path.stat().st_mode for path in paths]
    for path, mode in zip(paths, modes, strict=True):
        path.chmod(mode & ~0o222)
    try:
        with _rights_of_everybody():
            yield
    finally:
        for path, mode in zip(paths, modes, strict=True):
            path.chmod(mode)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Rights(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inherited", ctypes.c_uint32))


@contextmanager
def _rights_of_everybody() -> Iterator[None]:
    """Inside, root does not write where the mode of a file forbids it (Linux: CAP_DAC_OVERRIDE of this thread)."""
    if os.geteuid() != 0:
        yield
        return
    if not sys.platform.startswith("linux"):
        pytest.skip("root may write anywhere on this system")
    system, header, rights = ctypes.CDLL(None), _Header(0x20080522, 0), (_Rights * 2)()
    assert system.capget(ctypes.byref(header), rights) == 0
    before = rights[0].effective
    try:
        rights[0].effective = before & ~0b110
        assert system.capset(ctypes.byref(header), rights) == 0
        yield
    finally:
        rights[0].effective = before
        assert system.capset(ctypes.byref(header), rights) == 0
