"""Files and folders that appear whole or not at all, on disks that fill up and that several machines may share.

Everything that people or later runs rely on is written here. What goes into a file is the caller's choice.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sslskel.errors import RunError, SslskelError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
_PRUNE = ", for instance with `sslskel runs prune`"


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
