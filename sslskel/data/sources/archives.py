"""Safe reading of what a person hands to an importer: a directory, an archive, a single file.

Nothing is unpacked into the file system and nothing is trusted: paths, links,
sizes and packed data are checked before an importer sees a byte. Importers know what the
files mean.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import IO

from sslskel.api.benchmark import ImportReport
from sslskel.data.sources.tar_stream import FREE, MEMBERS, RATIO, TarBytes, check_path, shown, tar_members
from sslskel.data.sources.zip_part import METHODS, ZipPart, require_name
from sslskel.errors import DataError

FILE_LIMIT = 256 << 20
"""Most bytes of one file of a source, unless the importer sets its own limit."""
IN_MEMORY = 64 << 20
"""Bytes of a packed tar archive's wanted files held in memory; more go to an unnamed temporary file."""
ARCHIVES = (".tar", ".tar.xz", ".txz", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".zip")
"""Endings by which archives are recognised inside a directory."""

_HASH_CHUNK = 1 << 20


@dataclass(frozen=True)
class SourceFile:
    """One file of a source. ``name`` is its last component, ``path`` where it lies in ``origin``.

    ``size`` is in bytes. ``stamp`` changes with the content as far as can be seen without
    reading it: a checksum in a zip archive, else the time of the last change. Where
    ``portable``, another process can ``load`` it too; ``saw`` gets the sha256 of what was
    loaded, and stays in this one.
    """

    name: str
    path: str
    origin: str
    load: Callable[[], bytes]
    size: int = 0
    stamp: str = ""
    portable: bool = True
    saw: Callable[[bytes], None] | None = None

    @property
    def where(self) -> str:
        """The file as error messages name it."""
        return shown(self.path) if self.origin == self.path else f"{self.origin}: {shown(self.path)}"

    def misnamed(self, like: str) -> DataError:
        """The fault of a file that is called like none of its dataset; ``like`` says what those are called."""
        return DataError(f"'{self.where}' is not named like {like}; remove it from the source or give it its name back")

    def read(self) -> bytes:
        """The content; raises ``DataError`` where it cannot be read in full."""
        data = self.load()
        if self.saw is not None:
            self.saw(hashlib.sha256(data).digest())
        return data


def by_name(file: SourceFile) -> str:
    """The file's name, by which files of a source are the same unless an importer knows better."""
    return file.name


@contextmanager
def source_files(
    sources: Sequence[Path],
    suffixes: tuple[str, ...],
    report: ImportReport | None = None,
    limit: int = FILE_LIMIT,
    key: Callable[[SourceFile], str] = by_name,
) -> Iterator[list[SourceFile]]:
    """Find the files whose names end in one of ``suffixes``, in natural order of names.

    A source is a directory (searched recursively), an archive (.tar, .tar.xz,
    .tar.gz, .tar.bz2, .zip) or a single file. Archives inside a directory are read
    only where the directory holds no such file itself. A file found twice with the
    same content counts once; ``key`` tells which files are the same, by default those of
    one name. Files can be read until the context ends.

    ``report.source`` gains the sha256 of each archive and file; for a directory one
    sha256 over the names and contents of its files in the order of first reading.

    Raises ``DataError`` for a missing source, nothing found, two different files of
    one name, files above ``limit`` bytes, and archives that are truncated, corrupt,
    empty, foreign or hold links, devices or paths that lead outside.
    """
    report = ImportReport() if report is None else report
    if not sources:
        raise DataError("no source was given; name the directory or archive that holds the data with --source PATH")
    with ExitStack() as stack:
        search = _Search(suffixes, report, limit, stack)
        for source in sources:
            search.add(Path(source))
        if not search.files:
            endings = " or ".join(f"'{suffix}'" for suffix in suffixes)
            raise DataError(
                f"no file ending in {endings} was found in {', '.join(str(s) for s in sources)}"
                f" (directories are searched recursively; found {search.others()}); name the data's folder or archive"
            )
        yield sorted(_once(search.files, key), key=lambda file: natural(file.name))


def natural(name: str) -> tuple[tuple[int, str] | tuple[int, int, str], ...]:
    """Sort key that puts ``a2`` before ``a10``."""
    parts = re.split(r"([0-9]+)", name)
    return tuple((1, int(part[:4000]), part) if i % 2 else (0, part) for i, part in enumerate(parts))


class _Search:
    """Collects the wanted files of all sources."""

    def __init__(self, suffixes: tuple[str, ...], report: ImportReport, limit: int, stack: ExitStack) -> None:
        self.suffixes = tuple(suffix.lower() for suffix in suffixes)
        self.report, self.limit, self.stack = report, limit, stack
        self.files: list[SourceFile] = []
        self.endings: Counter[str] = Counter()

    def matches(self, name: str) -> bool:
        """Whether a file name is one of those looked for; ``._`` names are the leavings of a Mac."""
        return name.lower().endswith(self.suffixes) and not name.startswith("._")

    def wants(self, path: str) -> bool:
        """The same for a path found on the way, which is remembered where it is none."""
        name = path.rsplit("/", 1)[-1]
        if not self.matches(name):
            self.endings[os.path.splitext(name)[1].lower() or "without an ending"] += 1
        return self.matches(name)

    def others(self) -> str:
        """What was found instead, in words."""
        common = ", ".join(f"{count} {shown(ending)}" for ending, count in self.endings.most_common(5))
        return common or "no file at all"

    def add(self, source: Path) -> None:
        """Search one source."""
        try:
            mode = source.stat().st_mode
        except (OSError, ValueError) as fault:
            raise DataError(f"source '{source}' cannot be read ({_reason(fault)}); check the path") from fault
        if stat.S_ISDIR(mode):
            self._directory(source)
        elif not stat.S_ISREG(mode):
            raise DataError(f"source '{source}' is neither a directory nor a file; name the folder or archive")
        elif self.matches(source.name):
            self._loose(source.parent, [source], source.name)
        else:
            self._archive(source)

    def _directory(self, root: Path) -> None:
        loose, archives = [], []
        for path in _walk(root, self.report):
            if self.wants(path.name):
                loose.append(path)
            elif path.name.lower().endswith(ARCHIVES) and not path.name.startswith("._"):
                archives.append(path)
        if loose:
            self._loose(root, loose, f"{root.resolve().name}/ ({len(loose)} files)")
        else:
            for path in sorted(archives):
                self._archive(path)

    def _loose(self, root: Path, paths: Iterable[Path], label: str) -> None:
        digest = _Digest(self.report, label)
        for path in paths:
            inside = path.relative_to(root).as_posix()
            size, stamp = _stat(path)
            load, saw = partial(_read_file, path, self.limit), partial(digest.saw, path.name)
            self.files.append(SourceFile(path.name, inside, str(root), load, size, stamp, True, saw))

    def _archive(self, path: Path) -> None:
        try:
            file = self.stack.enter_context(path.open("rb"))
            start = file.read(4)
            file.seek(0)
            if not start:
                raise DataError(f"source '{path}' is empty (0 bytes); fetch or copy it again")
            if start[:2] == b"PK":
                if self._zip(path, file):
                    self.stack.enter_context(_Hashing(path, self.report))
            else:
                used, digest = self._tar(path, file)
                if used:
                    self.report.source[path.name] = digest
        except OSError as fault:
            raise DataError(f"archive '{path}' cannot be read ({_reason(fault)})") from fault

    def _tar(self, path: Path, file: IO[bytes]) -> tuple[int, str]:
        """Add the wanted members; their number and the sha256 of the archive."""
        digest = hashlib.sha256()
        stream = TarBytes(file, str(path), digest.update)
        copy: IO[bytes] | None = None
        if stream.packed:
            copy = self.stack.enter_context(tempfile.SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115

        def wanted(member: str, size: int) -> bool:
            keep = self.wants(member)
            if keep and size > self.limit:
                raise _too_big(f"{path}: {shown(member)}", size, self.limit)
            return keep

        before, (_, stamp) = len(self.files), _stat(path)
        for member in tar_members(stream, str(path), wanted, copy):
            where, name = f"{path}: {shown(member.path)}", member.path.rsplit("/", 1)[-1]
            load = partial(_read_part, copy or path, member.offset, member.size, where)
            self.files.append(SourceFile(name, member.path, str(path), load, member.size, stamp, copy is None))
        return len(self.files) - before, digest.hexdigest()

    def _zip(self, path: Path, file: IO[bytes]) -> int:
        """Add the wanted members; their number."""
        try:
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
        except Exception as fault:  # a stranger's bytes make zipfile raise almost anything
            raise DataError(
                f"archive '{path}' is not a readable zip archive ({fault}); fetch or copy it again"
            ) from fault
        if len(members) > MEMBERS:
            raise DataError(f"archive '{path}' holds more than {MEMBERS:,} members and is refused")
        kept = []
        for member in [one for one in members if _zip_member_is_file(one, str(path))]:
            if self.wants(member.filename):
                kept.append(member)
            else:
                require_name(file, path, member)
        if sum(member.file_size for member in kept) > max(FREE, RATIO * path.stat().st_size):
            raise DataError(
                f"archive '{path}' decompresses to more than {RATIO} times its size, as no motion data does"
            )
        for member in kept:
            where = f"{path}: {shown(member.filename)}"
            if member.file_size > self.limit:
                raise _too_big(where, member.file_size, self.limit)
            name, stamp = member.filename.rsplit("/", 1)[-1], f"{member.CRC:08x}"
            load = ZipPart.of(path, member, where)
            self.files.append(SourceFile(name, member.filename, str(path), load, member.file_size, stamp))
        return len(kept)


class _Digest:
    """One sha256 over all files of a directory, updated as each is read for the first time."""

    def __init__(self, report: ImportReport, label: str) -> None:
        self._report, self._label = report, label
        self._digest = hashlib.sha256()
        self._seen: set[tuple[str, bytes]] = set()

    def saw(self, name: str, digest: bytes) -> None:
        """Count a file with this sha256 in, once."""
        if (name, digest) not in self._seen:
            self._seen.add((name, digest))
            self._digest.update(os.fsencode(name) + b"\0" + digest)
            self._report.source[self._label] = self._digest.hexdigest()


class _Hashing:
    """The sha256 of an archive, found while its members are read; it is in the report when the context ends."""

    def __init__(self, path: Path, report: ImportReport) -> None:
        self._path, self._report, self._enough = path, report, Event()
        self._digest, self._fault = hashlib.sha256(), ""
        self._thread = Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            with self._path.open("rb") as file:
                while not self._enough.is_set() and (part := file.read(_HASH_CHUNK)):
                    self._digest.update(part)
        except OSError as fault:
            self._fault = _reason(fault)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._enough.set()
        self._thread.join()
        if kind is not None:
            return
        if self._fault:
            raise DataError(f"archive '{self._path}' cannot be read ({self._fault})")
        self._report.source[self._path.name] = self._digest.hexdigest()


def _once(files: Iterable[SourceFile], key: Callable[[SourceFile], str]) -> Iterator[SourceFile]:
    """Drop repeated files; raise ``DataError`` where two of one key differ."""
    by_key: dict[str, list[SourceFile]] = {}
    for file in files:
        by_key.setdefault(key(file), []).append(file)
    for first, *others in by_key.values():
        content = hashlib.sha256(first.read()).digest() if others else b""
        for other in others:
            if hashlib.sha256(other.read()).digest() != content:
                raise DataError(
                    f"two different files are called '{shown(first.name)}' ({first.where}; {other.where});"
                    " keep the right one or name its folder as the source"
                )
        yield first


def _walk(root: Path, report: ImportReport) -> Iterator[Path]:
    """All files below a directory, following links to directories but each directory once."""
    seen: set[str] = set()

    def unreadable(fault: OSError) -> None:
        if Path(fault.filename) == root:
            raise DataError(f"source '{root}' cannot be read ({_reason(fault)}); check its permissions") from fault
        report.notes.append(f"a folder was left out because it cannot be read: {Path(fault.filename).name}")

    for folder, below, names in os.walk(root, followlinks=True, onerror=unreadable):
        real = os.path.realpath(folder)
        if real in seen:
            below.clear()
            continue
        seen.add(real)
        below.sort()
        yield from (Path(folder, name) for name in sorted(names))


def _zip_member_is_file(member: zipfile.ZipInfo, archive: str) -> bool:
    """Whether a zip member is a plain file; raises ``DataError`` for what must not be there."""
    check_path(member.filename, archive)
    kind = stat.S_IFMT(member.external_attr >> 16)
    fault = ""
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        fault = "is a link or another special file; only plain files are read: pack the data without it"
    elif member.flag_bits & 1:
        fault = "is encrypted; unpack the archive yourself and name the folder"
    elif member.compress_type not in METHODS:
        fault = "is packed in a way that is not read here; unpack the archive yourself and name the folder"
    if fault:
        raise DataError(f"archive '{archive}' holds the member '{shown(member.filename)}', which {fault}")
    return not member.is_dir() and kind != stat.S_IFDIR


def _read_part(source: IO[bytes] | Path, offset: int, size: int, where: str) -> bytes:
    try:
        with source.open("rb") if isinstance(source, Path) else nullcontext(source) as file:
            file.seek(offset)
            data = file.read(size)
    except OSError as fault:
        raise DataError(f"'{where}' cannot be read ({_reason(fault)})") from fault
    if len(data) != size:
        raise DataError(f"'{where}' ends too early: the archive changed while it was read")
    return data


def _stat(path: Path) -> tuple[int, str]:
    """Size and time of the last change; (0, "") where it cannot be asked, which reading will report."""
    try:
        status = path.stat()
    except OSError:
        return 0, ""
    return status.st_size, str(status.st_mtime_ns)


def _read_file(path: Path, limit: int) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"'{path}' is not a plain file; remove it from the source")
        if status.st_size > limit:
            raise _too_big(str(path), status.st_size, limit)
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as fault:
        raise DataError(f"'{path}' cannot be read ({_reason(fault)})") from fault
    if len(data) > limit:
        raise _too_big(str(path), len(data), limit)
    return data


def _too_big(where: str, size: int, limit: int) -> DataError:
    return DataError(
        f"'{where}' has {size:,} bytes, more than the {limit:,} that such a file may have; is it the right one?"
    )


def _reason(fault: Exception) -> str:
    return (fault.strerror if isinstance(fault, OSError) else None) or str(fault)
