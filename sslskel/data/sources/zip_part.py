"""One member of a zip archive, read by its place alone: any process can, without the archive's directory.

Which members there are, and which are refused, is decided in ``archives``.
"""

from __future__ import annotations

import bz2
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sslskel.data.sources.tar_stream import shown
from sslskel.errors import DataError

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
UTF_8 = 0x800
"""The flag of a member's name in UTF-8."""
_LOCAL = struct.Struct("<4s5H3I2H")


def require_name(file: IO[bytes], archive: Path, member: zipfile.ZipInfo) -> None:
    """Hold that a member has its name before its data too, since no checksum is over names.

    For members that are passed over; a :class:`ZipPart` holds it of its own when it is read.
    Raises ``DataError`` where it has another one.
    """
    name = _name_of(member)
    try:
        file.seek(member.header_offset + _LOCAL.size)
        same = file.read(len(name)) == name
    except ValueError:
        same = False
    if not same:
        raise _renamed(archive, member.filename)


def _name_of(member: zipfile.ZipInfo) -> bytes:
    return member.orig_filename.encode("utf-8" if member.flag_bits & UTF_8 else "cp437", "replace")


def _renamed(archive: Path, name: str) -> DataError:
    return DataError(
        f"archive '{archive}' has another name before the data of '{shown(name)}' than in its directory: it is"
        " corrupt; fetch or copy it again"
    )


@dataclass(frozen=True)
class ZipPart:
    """Where a member's packed bytes lie and what they must expand to; calling it reads them.

    Raises ``DataError`` naming ``where`` for packed data that is truncated, corrupt, or of
    another size, name or CRC-32 than the archive's directory states.
    """

    archive: Path
    header: int
    packed: int
    size: int
    crc: int
    method: int
    where: str
    name: bytes

    @classmethod
    def of(cls, archive: Path, member: zipfile.ZipInfo, where: str) -> ZipPart:
        """The part that a directory entry describes."""
        at, packed, size = member.header_offset, member.compress_size, member.file_size
        return cls(archive, at, packed, size, member.CRC, member.compress_type, where, _name_of(member))

    def __call__(self) -> bytes:
        try:
            data = self._unpacked()
        except (OSError, EOFError, ValueError, zlib.error, struct.error) as fault:
            raise self._fault(f"cannot be unpacked ({fault})") from fault
        if len(data) != self.size or zlib.crc32(data) != self.crc:
            raise self._fault("does not decompress to the size that its archive states")
        return data

    def _unpacked(self) -> bytes:
        with self.archive.open("rb") as file:
            file.seek(self.header)
            magic, *_, name, extra = _LOCAL.unpack(file.read(_LOCAL.size))
            if magic != b"PK\x03\x04":
                raise ValueError("its header is damaged")
            if file.read(name) != self.name:
                raise _renamed(self.archive, self.where.removeprefix(f"{self.archive}: "))
            file.seek(extra, 1)
            data = file.read(self.packed)
        if self.method == zipfile.ZIP_STORED:
            return data
        decoder = bz2.BZ2Decompressor() if self.method == zipfile.ZIP_BZIP2 else zlib.decompressobj(-15)
        return decoder.decompress(data, self.size + 1)

    def _fault(self, what: str) -> DataError:
        return DataError(f"'{self.where}' {what}: the archive is corrupt; fetch it again")
