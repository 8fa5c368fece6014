"""Files and folders that appear whole or not at all, on disks that fill up and that several machines may share.

Everything that people or later runs rely on is written here. What goes into a file is the caller's choice.
Files that somebody else may have put there, or may have damaged, are read here too.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import math
import os
import re
import shutil
import socket
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sslskel.errors import RunError, SslskelError, UsageError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
_PRUNE = ", for instance with `sslskel runs prune`, which keeps what this command continues from"


MOST_BYTES = 2**28
"""Of a file that is read whole as text or JSON; what sslskel writes stays far below."""
_SMALL, _PART = 2**12, 2**28
"""Fewest and most bytes that the system is asked for at once: some files state no size, some systems give no more."""
WHOLE_RANGE = range(-(2**63), 2**64)
"""Whole numbers that JSON may hold here."""


def read_regular(path: Path | str, most: int | None = MOST_BYTES) -> bytes:
    """All bytes of a regular file, or of what a link leads to, if that is one.

    Never waits for a pipe and reads no device. Raises ``OSError``, also for a file of more than ``most`` bytes.
    """
    _require_regular(os.stat(path).st_mode, path)
    # What was a file a moment ago may be a pipe now, which would be waited for.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    # Read without a file object, which would take as long as all the rest of a small file.
    try:
        facts = os.fstat(handle)
        _require_regular(facts.st_mode, path)
        if most is not None and facts.st_size > most:
            raise OSError(errno.EINVAL, f"it has {facts.st_size:,} bytes, and at most {most:,} are read", str(path))
        parts: list[bytes] = []
        while part := os.read(handle, min(max(facts.st_size + 1, _SMALL), _PART)):
            # One byte more was asked for than it has: nothing follows.
            if not parts and len(part) == facts.st_size:
                return part
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(handle)


def _require_regular(mode: int, path: Path | str) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder, not a file", str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is a pipe, a socket or a device, not a file", str(path))


def read_json(path: Path) -> object:
    """What a JSON file holds. Raises ``OSError`` as :func:`read_regular`, and ``ValueError`` as :func:`parse_json`."""
    return parse_json(read_regular(path).decode("utf-8"))


def parse_json(text: str) -> object:
    """What a text says in JSON.

    Raises ``ValueError`` where it is none, or holds numbers that nothing can use: NaN, infinity, and whole ones of
    more than 64 bits.
    """
    try:
        content: object = json.loads(text, parse_constant=_no_constant, parse_float=_finite, parse_int=_whole)
    except RecursionError as fault:
        raise ValueError("lists or objects lie too deep in each other") from fault
    return content


def _no_constant(word: str) -> float:
    raise ValueError(f"{word} is not a number that JSON knows")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {_short(text)} is too large")
    return value


def _whole(text: str) -> int:
    # Digits are counted first: Python takes its time for thousands of them, or refuses.
    if len(text) > 20 or int(text) not in WHOLE_RANGE:
        raise ValueError(f"the whole number {_short(text)} needs more than 64 bits")
    return int(text)


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:20]}..."


@contextlib.contextmanager
def writing_in(folder: Path, what: str, *, hint: str = _PRUNE, error: type[SslskelError] = RunError) -> Iterator[None]:
    """Turn a failure of the disk, met while ``what`` is written below ``folder``, into one sentence.

    ``hint`` says how to make room, after the word "free some". Raises ``error`` in place of ``OSError``.
    """
    try:
        yield
    except OSError as fault:
        raise error(_sentence(fault, folder, what, hint)) from fault


def _sentence(fault: OSError, folder: Path, what: str, hint: str) -> str:
    again = "and give the same command again; what was there before is untouched"
    if fault.errno in _FULL:
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(existing).free / 2**20
        return f"no space left for {what} in {folder} ({free:.1f} MiB free): free some{hint}, {again}"
    reason = fault.strerror or fault
    return f"{what} cannot be written in {folder} ({reason}): make the folder writable or choose another, {again}"


def publish(path: Path, content: bytes, *, replace_existing: bool = False) -> bool:
    """Let a file appear under its name with all of its content, safe against power loss.

    False where the name is taken and may not be replaced: of several writers the first one
    wins. Raises ``OSError``; then nothing is left behind.
    """
    if replace_existing:
        with replacing(path) as file:
            file.write(content)
        return True
    with _temporary(path) as temporary:
        write_synced(temporary, content)
        if not _link(temporary, path):
            return False
    _sync_name(path)
    return True


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to fill piece by piece; it takes the place of ``path`` when the block ends, and only if it ends well.

    Raises ``OSError``, also where the name is a folder's or a device's; then the old file is as it was.
    """
    if path.exists() and not path.is_file():
        raise FileExistsError(errno.EEXIST, "there is a folder or a device of that name")
    with _temporary(path) as temporary:
        with temporary.open("xb") as file:
            yield file
            sync(file)
        temporary.replace(path)
    _sync_name(path)


def write_output(path: Path, content: bytes, *, error: type[SslskelError] = RunError) -> None:
    """Write a file that a person named, as :func:`output_file`."""
    with output_file(path, error=error) as file:
        file.write(content)


@contextlib.contextmanager
def output_file(path: Path, *, error: type[SslskelError] = RunError) -> Iterator[BinaryIO]:
    """A file to fill that a person named; it appears whole or not at all where the block ends.

    A link stays, and what it leads to is written. A device or a pipe gets all bytes at the end. Raises ``error`` in
    one sentence where the file cannot be written.
    """
    with writing_in(path.parent, path.name, error=error):
        if not (path.exists() and not path.is_dir() and (_descriptor(path) is not None or not path.is_file())):
            with replacing(Path(os.path.realpath(path))) as file:
                yield file
            return
        content = io.BytesIO()
        yield content
        with _stream(path) as stream:
            rest = memoryview(content.getvalue())
            while rest:
                rest = rest[stream.write(rest) :]


def require_output(path: Path) -> None:
    """Raise ``UsageError`` where :func:`output_file` cannot write, before any work is done for it."""
    whole = Path(os.path.realpath(path))
    there = next(one for one in (whole, *whole.parents) if os.path.lexists(one))
    if whole.is_dir():
        raise UsageError(f"{path} is a folder; name the file to write")
    if there != whole and not there.is_dir():
        raise UsageError(f"{path} cannot be written: {there} is not a folder")
    if not os.access(there, os.W_OK):
        raise UsageError(f"{path} cannot be written: {there} is not writable")


def _stream(path: Path) -> io.FileIO:
    """A device or a pipe, or what this process has open, at the place where it is."""
    opened = _descriptor(path)
    if opened is None:
        return io.FileIO(path, "w")
    sys.stdout.flush()
    return io.FileIO(os.dup(opened), "w")


def _descriptor(path: Path) -> int | None:
    """Number of the open file of this process that a name stands for (/dev/stdout); None where it is of none."""
    for _ in range(40):
        whole = os.path.join(os.path.realpath(path.parent), path.name)
        named = re.fullmatch(rf"/proc/{os.getpid()}/(?:task/\d+/)?fd/(\d+)", whole)
        if named:
            return int(named[1])
        if not path.is_symlink():
            return None
        path = path.parent / os.readlink(path)
    return None


@contextlib.contextmanager
def new_folder(target: Path, temporary: Path | None = None) -> Iterator[Path]:
    """A folder to fill; it gets the name ``target`` when the block ends, and is removed if that ends in an error.

    ``temporary`` is the folder's name until then, by default a hidden one beside the target. Raises ``OSError``,
    also where the target is there and not empty.
    """
    temporary = temporary_name(target) if temporary is None else temporary
    temporary.parent.mkdir(parents=True, exist_ok=True)
    temporary.mkdir()
    try:
        yield temporary
        name_folder(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def name_folder(temporary: Path, target: Path) -> None:
    """Give a folder whose files are all written its name, safe against power loss.

    Raises ``OSError``, also where the name is taken by a folder that is not empty.
    """
    sync_folder(temporary)
    temporary.rename(target)
    sync_folder(target.parent)


def file_system_time(folder: Path) -> float:
    """The time now by the clock that stamps the files of a folder, in seconds; its machine may not be this one.

    Raises ``OSError``.
    """
    probe = folder / f".clock-{socket.gethostname()}-{os.getpid()}-{time.monotonic_ns()}"
    try:
        probe.touch()
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def temporary_name(target: Path) -> Path:
    """A hidden name in the same folder that no other writer of ``target`` uses, on any machine."""
    return target.with_name(f".{target.name}.tmp-{socket.gethostname()}-{os.getpid()}-{time.monotonic_ns()}")


def write_synced(path: Path, content: bytes) -> None:
    """Write a file in a folder that has no name yet, through to the disk. Raises ``OSError``."""
    with path.open("wb") as file:
        file.write(content)
        sync(file)


def sync(file: BinaryIO) -> None:
    """Make sure that what was written is on the disk, not only on its way."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive power loss; does nothing where folders cannot be opened."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """A name beside ``path`` that is gone afterwards, in a folder that is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _link(temporary: Path, path: Path) -> bool:
    """Give a finished file its name unless the name is taken."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as fault:
        if fault.errno not in _NO_LINKS:
            raise
        # Without hard links two writers may both pass this test; each of their files is whole all the same.
        if path.exists():
            return False
        temporary.replace(path)
    return True


def _sync_name(path: Path) -> None:
    """The file is whole whatever happens here; some file systems cannot sync a folder, and that alone is lost."""
    with contextlib.suppress(OSError):
        sync_folder(path.parent)
