"""Damaged files before every reader: there is one for each kind of file, and what it makes of them is judged well."""

from __future__ import annotations

import itertools
import os
import pkgutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz.catalogue import readers
from fuzz.damage import damaged
from fuzz.oracle import CHANGED, FAULT, REFUSED, UNCHANGED
from fuzz.pieces import pieces_of, run
from fuzz.specimens import Reader, Result
from fuzz.trial import Trial, tried

import sslskel.data.own.sets as sets
from sslskel.data.own.formats.table import FORMATS
from sslskel.errors import DataError
from sslskel.plugins.registry import BENCHMARKS, looked_up_once

READERS = readers()
NO_FORMS = {"parts", "table"}
"""Modules of sets that are no form of one."""


def covered() -> set[str]:
    """What all readers together read."""
    return {name for reader in READERS for name in reader.covers}


def test_every_format_of_ones_own_data_has_a_reader() -> None:
    assert {known.name for known in FORMATS} <= covered()


def test_every_form_of_a_set_has_a_reader() -> None:
    forms = {module.name for module in pkgutil.iter_modules(sets.__path__)} - NO_FORMS
    assert forms <= covered()


def test_every_benchmark_with_a_source_has_a_reader() -> None:
    built_in = [entry.name for entry in BENCHMARKS.entries() if entry.source == "built-in"]
    assert {name for name in built_in if not BENCHMARKS.get(name).embedded} <= covered()


def test_readers_have_names_of_their_own() -> None:
    assert len({reader.name for reader in READERS}) == len(READERS)


@pytest.mark.long
def test_few_damaged_files(tmp_path: Path) -> None:
    with looked_up_once():
        faults = [fault for one in READERS if one.cached for fault in tried(one, range(2), tmp_path, False)[1]]
    faults += [fault for one in READERS if not one.cached for fault in tried(one, range(2), tmp_path, False)[1]]
    assert faults == []


@pytest.mark.long
def test_many_damaged_files(tmp_path: Path) -> None:
    (tmp_path / "counts").mkdir()
    seed = int.from_bytes(os.urandom(4), "little") if os.environ.get("SSLSKEL_EXAMPLES") == "new" else 0
    ended = list(run(pieces_of(READERS, 3000, seed), tmp_path / "counts", tmp_path))
    assert sum(one.counts.total() for one in ended) == 3000
    assert [fault for one in ended for fault in one.faults] == []


# What is a fault, and what is none


FRAMES = np.arange(1.0, 25).reshape(1, 4, 2, 3)


def toy(read: Any, **facts: Any) -> Reader:
    """A reader of one text file, a line per frame, of which ``read`` makes something."""

    def make() -> dict[str, bytes]:
        return {"c0.txt": b"".join(b"%g %g %g %g %g %g\n" % tuple(frame.ravel()) for frame in FRAMES[0])}

    return Reader("toy", make, lambda folder: read((folder / "c0.txt").read_bytes()), ("c0.txt",), text=True, **facts)


def careless(data: bytes) -> Result:
    """Whatever numbers are there; nothing where there are none."""
    numbers = [float(word) for word in data.split() if word.replace(b".", b"").isdigit()]
    return Result({"c0": np.resize(np.array([*numbers, 0.0]), (1, 4, 2, 3))})


def strict(data: bytes) -> Result:
    """Lines of six numbers below a hundred, or a sentence."""
    try:
        table = np.array([[float(word) for word in line.split()] for line in data.decode("ascii").splitlines()])
        assert table.shape[1:] == (6,)
        assert (np.abs(table) < 100).all()
    except (ValueError, AssertionError) as fault:
        raise DataError("'c0.txt' is no table of six numbers below 100; write it again") from fault
    return Result({"c0": table.reshape(1, -1, 2, 3)})


def crash(data: bytes) -> Result:
    raise KeyError("frames")


def mute(data: bytes) -> Result:
    raise DataError("this is wrong")


def wordy(data: bytes) -> Result:
    raise DataError(f"'c0.txt' {'is wrong ' * 100}")


def infinite(data: bytes) -> Result:
    return Result({"c0": np.full((1, 4, 2, 3), np.inf)})


def hungry(data: bytes) -> Result:
    return Result({"c0": np.zeros(2**40)})


TIMES = itertools.count()


def of_two_minds(data: bytes) -> Result:
    raise DataError(f"'c0.txt' is wrong for time {next(TIMES)}")


def first_only(read: Any) -> Any:
    """Reads the specimen itself well, and everything after it as told."""
    sound = toy(strict).make()["c0.txt"]
    return lambda data: strict(data) if data == sound else read(data)


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (crash, "KeyError"),
        (mute, "names no file"),
        (wordy, "characters"),
        (infinite, "not finite"),
        (hungry, "MemoryError"),
        (of_two_minds, "two outcomes"),
    ],
)
def test_what_is_a_fault(read: Any, words: str, tmp_path: Path) -> None:
    _, faults = tried(toy(first_only(read)), range(20), tmp_path)
    assert len(faults) == 20
    assert all(words in fault.why for fault in faults)


def test_changes_beyond_the_damage_are_faults(tmp_path: Path) -> None:
    _, faults = tried(toy(first_only(careless), reach="joint", line="frame"), range(300), tmp_path)
    reasons = " ".join(fault.why for fault in faults)
    assert "one number changed" in reasons
    assert "a line dropped made +0 frames" in reasons
    _, faults = tried(toy(first_only(careless), checked="bytes"), range(50), tmp_path)
    assert any("that checksums tell" in fault.why for fault in faults)


def test_a_sound_reader_has_no_fault(tmp_path: Path) -> None:
    counts, faults = tried(toy(strict, reach="joint", line="frame"), range(300), tmp_path)
    assert not faults
    assert all(counts[kind] for kind in (REFUSED, UNCHANGED, CHANGED))
    assert not counts[FAULT]


def test_inputs_are_the_same_at_each_run(tmp_path: Path) -> None:
    reader = toy(strict)
    files = reader.make()
    assert [damaged(reader, files, number) for number in range(50)] == [
        damaged(reader, files, number) for number in range(50)
    ]
    assert len({damaged(reader, files, number).content for number in range(50)}) > 40
    trial = Trial(reader, tmp_path)
    trial.verdict(7)
    assert (trial.folder / "c0.txt").read_bytes() == files["c0.txt"]


def test_a_crash_is_a_fault_and_the_rest_is_run(tmp_path: Path) -> None:
    fatal = damaged(toy(strict), toy(strict).make(), 4).content

    def ends(data: bytes) -> Result:
        if data == fatal:
            os._exit(3)
        return strict(data)

    (tmp_path / "counts").mkdir()
    pieces = pieces_of([toy(ends)], 12, 0)
    first = list(run(pieces, tmp_path / "counts", tmp_path))
    assert sum(one.counts.total() for one in first) == 12
    [fault] = [fault for one in first for fault in one.faults]
    assert (fault.number, fault.why) == (4, "ended the process (3)")
    again = list(run(pieces, tmp_path / "counts", tmp_path))
    assert sum(one.counts.total() for one in again) == 12
