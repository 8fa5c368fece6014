"""One input after the other: a specimen is damaged, read twice, and judged."""

from __future__ import annotations

import contextlib
import logging
import shutil
import traceback
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from fuzz.damage import damaged
from fuzz.limits import TooMuch, limited, ran_out_of_memory
from fuzz.oracle import FAULT, VERDICTS, Verdict, of_result, of_sentence
from fuzz.specimens import Reader, Result

from sslskel.errors import SslskelError
from sslskel.plugins.registry import looked_up_once


class Fault(NamedTuple):
    """An input with which something went wrong; its number and its reader make it again."""

    reader: str
    number: int
    damage: str
    why: str


class Trial:
    """A reader's specimen in a folder of its own below ``place``, and what the reader makes of it undamaged."""

    def __init__(self, reader: Reader, place: Path) -> None:
        self.reader, self.files, self.folder = reader, reader.make(), place / reader.name
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in self.files:
            self._write(name, self.files[name])
        with self._set_up():
            self.before = reader.read(self.folder)

    def verdict(self, number: int, repeat: bool = True) -> tuple[str, Verdict]:
        """The damage of an input, and what came of it; with ``repeat`` it must come of it twice."""
        damage = damaged(self.reader, self.files, number)
        self._write(damage.file, damage.content)
        try:
            outcome = self._read()
            again = self._read() if repeat else outcome
        finally:
            self._write(damage.file, self.files[damage.file])
        what = f"{damage.file}: {damage.kind}"
        if isinstance(outcome, Verdict):
            return what, outcome
        if not _equal(outcome, again):
            return what, Verdict(FAULT, f"two outcomes: {outcome} and {again}"[:1000])
        if isinstance(outcome, str):
            return what, of_sentence(outcome, self.files, self.folder)
        return what, of_result(self.reader, self.before, damage, outcome, self.files, self.folder)

    def all(self, numbers: Iterable[int], repeat: bool = True) -> Iterator[tuple[int, str, Verdict]]:
        """Several inputs."""
        with self._set_up():
            for number in numbers:
                yield (number, *self.verdict(number, repeat))

    def _set_up(self) -> contextlib.AbstractContextManager[None]:
        return looked_up_once() if self.reader.cached else contextlib.nullcontext()

    def _write(self, name: str, content: bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(content)

    def _read(self) -> Result | str | Verdict:
        """A result, a sentence, or the verdict over what is neither."""
        try:
            with limited(), warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                result = self.reader.read(self.folder)
        except SslskelError as fault:
            if ran_out_of_memory(fault):
                return Verdict(FAULT, f"ran out of memory: {fault}")
            return str(fault)
        except TooMuch as fault:
            return Verdict(FAULT, str(fault))
        except Exception as fault:
            place = "".join(traceback.format_exception(fault)[-3:])
            return Verdict(FAULT, f"{type(fault).__name__}: {str(fault)[:300]}\n{place[:1500]}")
        computed = [one for one in warned if issubclass(one.category, RuntimeWarning)]
        if computed:
            return Verdict(FAULT, f"warns people of its own arithmetic: {computed[0].message} ({computed[0].filename})")
        return result


def _equal(one: Result | str | Verdict, other: Result | str | Verdict) -> bool:
    if isinstance(one, Result) and isinstance(other, Result):
        names = list(one.arrays) == list(other.arrays)
        equal = names and all(one.arrays[name].tobytes() == other.arrays[name].tobytes() for name in one.arrays)
        return equal and (one.facts, one.notes, one.refused) == (other.facts, other.notes, other.refused)
    return one == other


def tried(reader: Reader, numbers: Iterable[int], place: Path, repeat: bool = True) -> tuple[Counter[str], list[Fault]]:
    """How many inputs of a reader ended how, and the faults."""
    counts, faults = Counter(dict.fromkeys(VERDICTS, 0)), []
    log = logging.getLogger("sslskel")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        for number, damage, verdict in Trial(reader, place).all(numbers, repeat):
            counts[verdict.kind] += 1
            if verdict.kind == FAULT:
                faults.append(Fault(reader.name, number, damage, verdict.why))
    finally:
        log.setLevel(level)
    return counts, faults
