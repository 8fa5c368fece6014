"""Files that appear whole or not at all, on folders that several machines may share.

Knows nothing of records; what goes into a file is the caller's business.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from sslskel.errors import RunError

_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


@contextlib.contextmanager
def writing_in(folder: Path) -> Iterator[None]:
    """Turn a failure to write below ``folder`` into a ``RunError`` that says what to do."""
    try:
        yield
    except OSError as fault:
        if fault.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise RunError(
                f"no space left to write in {folder}: free some, for instance with `sslskel runs prune`,"
                " and give the same command again"
            ) from fault
        raise RunError(f"{folder} cannot be written: {fault}; make it writable or choose another folder") from fault


def publish(path: Path, content: bytes, *, replace_existing: bool = False) -> bool:
    """Let a file appear under its name with all of its content, safe against power loss.

    False where the name is taken and may not be replaced: of several writers the first one
    wins. Raises ``OSError``; then nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp-{socket.gethostname()}-{os.getpid()}-{time.monotonic_ns()}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace_existing:
            temporary.replace(path)
        elif not _link(temporary, path):
            return False
        _sync_folder(path.parent)
        return True
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


def _sync_folder(folder: Path) -> None:
    """Make a new name survive power loss; some file systems cannot, and then nothing is lost but that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
