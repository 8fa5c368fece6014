"""Reads untrusted tar archives in one forward pass, compressed or not, within fixed bounds.

Lists the wanted members and copies their bytes to where they can be read again.
Knows nothing of directories, zip archives or datasets: see ``archives``.
"""

from __future__ import annotations

import bz2
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Protocol

from sslskel.errors import DataError

BLOCK = 512
CHUNK = 1 << 16
RATIO = 200
"""Most bytes that one compressed byte may expand to, beyond the first ``FREE`` bytes."""
FREE = 64 << 20
HEADER_LIMIT = 1 << 20
"""Most bytes of a long name or an extended header."""
MEMBERS = 250_000
"""Most members of one archive."""
DECODER_MEMORY = 160 << 20
"""Most memory an xz dictionary may ask for, in bytes; ``xz -9`` asks for 65 MiB."""

_LINKS = {tarfile.SYMTYPE: "a symbolic link", tarfile.LNKTYPE: "a hard link"}
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Gzip:
    """zlib's gzip decoder with the interface that bz2 and lzma have."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


_DECODERS: tuple[tuple[bytes, Callable[[], _Decoder]], ...] = (
    (b"\xfd7zXZ\x00", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, DECODER_MEMORY)),
    (b"\x1f\x8b", _Gzip),
    (b"BZh", bz2.BZ2Decompressor),
)


def shown(name: str) -> str:
    """A stranger's file name as it may be printed: escaped, and cut where it is very long."""
    text = repr(name)[1:-1]
    return text if len(text) <= 200 else text[:200] + "..."


def check_path(path: str, archive: str) -> None:
    """Raise ``DataError`` where a member of an archive would lie outside the target."""
    parts = path.replace("\\", "/").split("/")
    if not path or "\0" in path or parts[0] == "" or parts[0].endswith(":") or ".." in parts:
        raise DataError(
            f"archive '{archive}' holds the member '{shown(path)}', whose path leads out of the archive;"
            " such archives are refused: fetch the original again"
        )


class TarBytes:
    """The bytes of a tar archive, unpacked as they are asked for and counted.

    ``watch`` sees the packed bytes as they pass. Raises ``DataError`` for packed
    data that is corrupt, ends early or decompresses to more than ``RATIO`` times its size.
    """

    def __init__(self, file: IO[bytes], archive: str, watch: Callable[[bytes], None]) -> None:
        self._file, self._archive, self._watch = file, archive, watch
        start = file.read(6)
        file.seek(0)
        self._make = next((make for magic, make in _DECODERS if start.startswith(magic)), None)
        self._decoder = self._make() if self._make else None
        self._left = b""
        self._packed = 0
        self.position = 0
        """Unpacked bytes handed out so far."""

    @property
    def packed(self) -> bool:
        """Whether the archive is compressed."""
        return self._make is not None

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes, fewer only where the archive ends."""
        parts = []
        while size:
            if not self._left:
                self._left = self._more()
            if not self._left:
                break
            parts.append(self._left[:size])
            self._left = self._left[size:]
            size -= len(parts[-1])
            self.position += len(parts[-1])
        return b"".join(parts)

    def skip(self, size: int, into: IO[bytes] | None = None) -> None:
        """Pass over ``size`` bytes, copying them ``into`` a file where one is given."""
        while size:
            part = self.read(min(size, CHUNK))
            if not part:
                raise self.fault("ends in the middle of a file: it is truncated")
            if into is not None:
                into.write(part)
            size -= len(part)

    def fault(self, what: str) -> DataError:
        """The error that says ``what`` is wrong with this archive."""
        return DataError(f"archive '{self._archive}' {what}; fetch or copy it again")

    def _take(self) -> bytes:
        data = self._file.read(CHUNK)
        self._watch(data)
        self._packed += len(data)
        return data

    def _more(self) -> bytes:
        if self._make is None or self._decoder is None:
            return self._take()
        try:
            out = self._unpack(self._make, self._decoder)
        except (lzma.LZMAError, zlib.error, OSError, EOFError, ValueError, MemoryError) as fault:
            raise self.fault(f"cannot be unpacked ({fault}): it is corrupt") from fault
        if self.position + len(out) > max(FREE, RATIO * self._packed):
            raise self.fault(
                f"decompresses to more than {RATIO} times its size, which no motion data does: it is refused"
            )
        return out

    def _unpack(self, make: Callable[[], _Decoder], decoder: _Decoder) -> bytes:
        """The next unpacked bytes, at most ``CHUNK``; none where the last packed stream has ended."""
        while True:
            data, asked = b"", False
            if decoder.eof:
                rest = decoder.unused_data.lstrip(b"\0")
                while not rest:
                    taken = self._take()
                    if not taken:
                        return b""
                    rest = taken.lstrip(b"\0")
                decoder = self._decoder = make()
                data = rest
            elif decoder.needs_input:
                data, asked = self._take(), True
            out = decoder.decompress(data, CHUNK)
            if out:
                return out
            if asked and not data and not decoder.eof:
                raise self.fault("ends in the middle of its packed data: it is truncated")


@dataclass(frozen=True)
class Member:
    """A regular file of a tar archive: its path, size and where its bytes begin in ``copy``."""

    path: str
    offset: int
    size: int


def tar_members(
    stream: TarBytes, archive: str, wanted: Callable[[str, int], bool], copy: IO[bytes] | None
) -> Iterator[Member]:
    """List the members for which ``wanted(path, size)`` holds, in the order of the archive.

    Their bytes are appended to ``copy``; without one, ``offset`` counts in the
    unpacked archive. Raises ``DataError`` for links, devices, sparse members,
    paths out of the archive, more than ``MEMBERS`` members, and anything that is
    truncated or is no tar archive.
    """
    name, size, count = "", -1, 0
    while (header := _header(stream, count)) is not None:
        count += 1
        if count > MEMBERS:
            raise stream.fault(f"holds more than {MEMBERS:,} members and is refused")
        if header.type in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK):
            name, size = _extended(stream, header, name, size)
            continue
        path, length = name or header.name, header.size if size < 0 else size
        name, size = "", -1
        check_path(path, archive)
        if header.type == tarfile.DIRTYPE:
            continue
        if header.type not in _FILES:
            what = _LINKS.get(header.type, "a device or another special file")
            raise DataError(
                f"archive '{archive}' holds the member '{shown(path)}', which is {what};"
                " only plain files are read: pack the data without it"
            )
        keep = wanted(path, length)
        offset = stream.position if copy is None else copy.tell()
        stream.skip(length, copy if keep else None)
        stream.skip(-length % BLOCK)
        if keep:
            yield Member(path, offset, length)
    while rest := stream.read(CHUNK):
        if rest.strip(b"\0"):
            raise stream.fault("continues after its end mark: it is corrupt, or several archives joined into one")


def _header(stream: TarBytes, count: int) -> tarfile.TarInfo | None:
    """The next header, or None at the end mark."""
    block = stream.read(BLOCK)
    if not block and count == 0:
        raise stream.fault("is empty")
    if len(block) < BLOCK:
        raise stream.fault("ends without its end mark: it is truncated" if count else "is not a tar archive")
    if not block.strip(b"\0"):
        return None
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError, OverflowError) as fault:
        what = f"has a damaged header after {count} members: it is corrupt" if count else "is not a tar archive"
        raise stream.fault(what) from fault
    if header.size < 0:
        raise stream.fault("has a member of negative size: it is corrupt")
    return header


def _extended(stream: TarBytes, header: tarfile.TarInfo, name: str, size: int) -> tuple[str, int]:
    """Read a long name or an extended header: name and size of the member that follows."""
    if header.size > HEADER_LIMIT:
        raise stream.fault("has an extended header of unreasonable size: it is corrupt")
    data = stream.read(header.size)
    if len(data) < header.size:
        raise stream.fault("ends in the middle of a header: it is truncated")
    stream.skip(-header.size % BLOCK)
    if header.type == tarfile.GNUTYPE_LONGNAME:
        return data.split(b"\0")[0].decode("utf-8", "surrogateescape"), size
    if header.type == tarfile.XHDTYPE:
        try:
            records = _pax_records(data)
            if any(key.startswith("GNU.sparse") for key in records):
                raise stream.fault("holds a sparse file, which is not read; pack the data without --sparse")
            name, size = records.get("path", name), int(records.get("size", size))
        except (ValueError, IndexError) as fault:
            raise stream.fault("has a damaged extended header: it is corrupt") from fault
    return name, size


def _pax_records(data: bytes) -> dict[str, str]:
    """The records of a POSIX.1-2001 extended header: ``length key=value`` lines."""
    records, at = {}, 0
    while at < len(data) and data[at] != 0:
        space = data.index(b" ", at, at + 20)
        end = at + int(data[at:space])
        if not space < end <= len(data) or data[end - 1] != 0x0A:
            raise ValueError("record length")
        key, _, value = data[space + 1 : end - 1].partition(b"=")
        records[key.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
        at = end
    return records
