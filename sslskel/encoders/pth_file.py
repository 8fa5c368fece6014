"""What a ``.pth`` file must be before PyTorch reads it: whole, not packed, and no more than its bytes say.

PyTorch compares no checksum of its archives and believes the sizes that a file states. What is in the file is read in
``released.py``.
"""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import BinaryIO

from sslskel.encoders.pth_pickle import check_pickle
from sslskel.errors import CheckpointError

MOST_MEMBERS = 100_000
MOST_PICKLE_BYTES = 2**22
LEGACY_PICKLES = 5
"""A file from before PyTorch 1.6 begins with a magic number, a version, sizes of types, what was saved, and names."""
_CHUNK = 1 << 22
_END, _LOCATOR = 22, 20
_TAIL = _END + _LOCATOR + 56
"""Bytes of an archive's ends: that of any, and what leads to that of a large one, before it."""
_DIRECTORY_ENTRY = 46
"""Fewest bytes that an archive's directory has for each member."""


def check_pth(path: Path) -> None:
    """Raise ``CheckpointError`` where a file is damaged, packed, or would take long or much memory to read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            # By the same four bytes as PyTorch goes.
            archived = file.read(4) == b"PK\3\4"
            file.seek(0)
            if archived:
                _check_archive(file, size, path)
            else:
                for _ in range(LEGACY_PICKLES):
                    check_pickle(file, size, path)
    except CheckpointError:
        raise
    except Exception as fault:  # a damaged file can raise nearly anything
        raise CheckpointError(
            f"{path} is not a readable PyTorch checkpoint, or is cut short or damaged; fetch it again"
        ) from fault


def _check_archive(file: BinaryIO, size: int, path: Path) -> None:
    if _directory_size(file, size) > _DIRECTORY_ENTRY * MOST_MEMBERS:
        raise CheckpointError(f"{path} lists more than {MOST_MEMBERS:,} members; no checkpoint has as many")
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        for member in members:
            if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
                raise CheckpointError(f"'{member.filename}' in {path} is packed, as torch.save never does it")
        if sum(member.file_size for member in members) > size:
            raise CheckpointError(f"the members of {path} state more bytes than the file has; it is damaged")
        for member in members:
            with archive.open(member) as content:
                # PyTorch looks names up in any case.
                if member.filename.lower().endswith(".pkl"):
                    if member.file_size > MOST_PICKLE_BYTES:
                        raise CheckpointError(
                            f"'{member.filename}' in {path} has {member.file_size:,} bytes, where at most"
                            f" {MOST_PICKLE_BYTES:,} were expected beside the tensors"
                        )
                    check_pickle(content, size, path)
                # To its end, where the checksum is compared.
                while content.read(_CHUNK):
                    pass


def _directory_size(file: BinaryIO, size: int) -> int:
    """Bytes that an archive's directory is stated to have.

    Raises ``ValueError`` unless directory and end follow each other up to the last byte, as torch.save writes them:
    of several ends PyTorch might take another one than is looked at here.
    """
    file.seek(max(0, size - _TAIL))
    tail = file.read()
    file.seek(0)
    end = tail[-_END:]
    if len(end) != _END or not end.startswith(b"PK\5\6"):
        raise ValueError("no end of an archive")
    length, start = struct.unpack_from("<II", end, 12)
    follows = size - _END
    if tail[-_END - _LOCATOR :].startswith(b"PK\6\7"):
        large = tail[-_TAIL:][: _TAIL - _LOCATOR - _END]
        (stated,) = struct.unpack_from("<Q", tail, len(tail) - _END - _LOCATOR + 8)
        follows = size - _TAIL
        if not large.startswith(b"PK\6\6") or stated != follows:
            raise ValueError("no end of a large archive")
        length, start = struct.unpack_from("<QQ", large, 40)
    if start + length != follows:
        raise ValueError("the directory of an archive does not end where it states")
    return int(length)
