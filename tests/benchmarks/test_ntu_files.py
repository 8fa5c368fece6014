"""Files of NTU RGB+D that are malformed, misnamed, mutated or large, and an import that is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from ntu_tables import table
from recorder import Recorder

from sslskel.api.benchmark import ImportReport
from sslskel.benchmarks.common.ntu import RECIPES
from sslskel.benchmarks.common.ntu.actors import Actors, Recipe
from sslskel.data.motion.skeleton_file import read_skeleton
from sslskel.data.prepare import prepare
from sslskel.data.store.store import open_dataset
from sslskel.errors import DataError
from sslskel.plugins.registry import BENCHMARKS


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    return shared / "ntu_golden"


ACCEPTED = {"non_numeric_orientation"}
"""A field that nothing reads."""


def test_every_malformed_file_has_its_sentence(golden: Path, tmp_path: Path) -> None:
    cases = table(golden.parent / "ntu_golden", "../malformed/ntu_table.csv")
    good = golden / "raw/ntu/nturgb+d_skeletons/S012C003P027R001A035.skeleton"
    source = tmp_path / "source"
    shutil.copytree(golden / "malformed/ntu", source)
    shutil.copy(good, source)
    dataset = open_dataset(prepare(BENCHMARKS.get("ntu60"), [source], tmp_path / "data", workers=1))
    faults = dataset.report()["faults"]
    assert len(cases) == 19
    for case in cases:
        name = Path(case["file"]).name
        if case["slug"] in ACCEPTED:
            assert name not in faults
            continue
        assert name in faults[name], case
        assert "\n" not in faults[name]
        assert faults[name].isascii()
        assert "%" not in faults[name]
        if case["slug"] not in ("empty", "gzip", "no_bodies", "all_bodies_short"):
            assert "line " in faults[name], case
    assert set(dataset.names.tolist()) == {"S010C001P012R002A019", "S012C003P027R001A035"}
    with pytest.raises(DataError, match=r"S001C001P001R001A001\.skeleton' is empty"):
        prepare(BENCHMARKS.get("ntu60"), [source], tmp_path / "strict", strict=True, workers=1)
    assert not (tmp_path / "strict" / "ntu60-ctrgcn").exists()


def test_misnamed_files_are_faults(golden: Path, tmp_path: Path) -> None:
    good = golden / "raw/ntu/nturgb+d_skeletons/S012C003P027R001A035.skeleton"
    for name in (good.name, "walk.skeleton", "S001C009P001R001A001.skeleton"):
        shutil.copy(good, tmp_path / name)
    report = open_dataset(prepare(BENCHMARKS.get("ntu60"), [tmp_path], tmp_path / "data", workers=1)).report()
    assert set(report["faults"]) == {"walk.skeleton", "S001C009P001R001A001.skeleton"}
    with pytest.raises(DataError, match="not one file could be used"):
        prepare(BENCHMARKS.get("ntu60"), [tmp_path / "walk.skeleton"], tmp_path / "other", workers=1)


def mutated(data: bytes, draw: np.random.Generator) -> bytes:
    """One random damage: bytes changed, removed, doubled or cut off, a line lost, a number replaced."""
    at, size = int(draw.integers(len(data))), int(draw.integers(1, 40))
    kind = int(draw.integers(6))
    if kind == 0:
        return data[:at] + bytes(draw.integers(0, 256, size, np.uint8)) + data[at + size :]
    if kind == 1:
        return data[:at] + data[at + size :]
    if kind == 2:
        return data[:at] + data[at : at + size] + data[at:]
    if kind == 3:
        return data[:at]
    words = (b"nan", b"-inf", b"1e999", b"1_0", b"-1", b"999999999999999999999", b"", b"\x00", b"0x10", b"\xff", b"25")
    parts = data.split(b"\n" if kind == 4 else b" ")
    parts[int(draw.integers(len(parts)))] = words[int(draw.integers(len(words)))]
    return (b"\n" if kind == 4 else b" ").join(parts)


def outcome(recipe: Recipe, data: bytes) -> tuple[Actors | None, str]:
    """What a recipe makes of a file, or the sentence that says why not."""
    try:
        return recipe(read_skeleton(data, "here"), "here"), ""
    except DataError as fault:
        return None, str(fault)


def test_mutations_of_good_files_are_sentences_or_clips(golden: Path) -> None:
    folder = golden / "raw/ntu/nturgb+d_skeletons"
    names = ("S015C003P007R001A013", "S010C002P017R001A001", "S001C001P006R002A060")
    files = [(folder / f"{name}.skeleton").read_bytes() for name in names]
    draw, seen = np.random.default_rng(0), Counter[str]()
    for number in range(2000):
        # The large file is worth its time less often.
        data = mutated(files[2 if number % 50 == 0 else number % 2], draw)
        for recipe in RECIPES.values():
            actors, fault = outcome(recipe, data)
            seen["clip" if actors else "fault"] += 1
            if actors is None:
                assert fault.startswith("'here'")
                assert "\n" not in fault
                assert len(fault) < 400
            else:
                assert np.isfinite(actors.joints).all()
                assert actors.tracks()
    assert min(seen["fault"], seen["clip"]) > 1000


@pytest.mark.parametrize(
    "data",
    [
        b"9999\n" + b"0\n" * (6 << 20),
        b"1\n1\n7\n25\n" + b"0 " * (6 << 20),
        b"9999\n" + (b"0" * 9 + b"\n") * 1_000_000,
        b"10000\n" + b"0\n" * 9_999 + b"1\n7\n25\n" + b"0 0 1 0 0 0 0 0 0 0 0 0\n" * 25,
        b"1\n999999999\n" + (b"7\n25\n" + b"0 0 1 0 0 0 0 0 0 0 0 0\n" * 25) * 9,
        b"1\n600\n" + b"".join(b"%d\n25\n" % body + b"0 0 1 0 0 0 0 0 0 0 0 0\n" * 25 for body in range(600)),
        b"\r" * (12 << 20),
        b"1" * (12 << 20),
    ],
    ids=["lines", "fields", "frames", "empty frames", "bodies", "identities", "blank", "one line"],
)
def test_memory_stays_below_twice_the_file_and_a_bit(data: bytes) -> None:
    tracemalloc.start()
    try:
        for recipe in RECIPES.values():
            assert len(outcome(recipe, data)[1]) < 400
        assert tracemalloc.get_traced_memory()[1] < 2 * len(data) + (200 << 20)
    finally:
        tracemalloc.stop()


KILLED = """
if __name__ == "__main__":  # its processes run this file too, and need none of it
    import sys
    from pathlib import Path
    from sslskel.data.sources import workers
    from sslskel.data.store import grow
    from sslskel.data.prepare import prepare
    from sslskel.plugins.registry import BENCHMARKS
    workers.TASK_PIECES, grow.FLUSH_SECONDS = 2, -1.0
    prepare(BENCHMARKS.get("ntu60"), [Path(sys.argv[1])], Path(sys.argv[2]), workers=2)
"""


@pytest.mark.long
def test_a_killed_import_goes_on_to_the_same_dataset(golden: Path, tmp_path: Path) -> None:
    source, script = tmp_path / "source", tmp_path / "script.py"
    source.mkdir()
    content = (golden / "raw/ntu/nturgb+d_skeletons/S015C003P007R001A013.skeleton").read_bytes()
    for number in range(400):
        (source / f"S{number // 60 + 1:03}C001P{number // 30 + 1:03}R001A{number % 60 + 1:03}.skeleton").write_bytes(
            content
        )
    script.write_text(KILLED)
    journal = tmp_path / "data" / ".ntu60-ctrgcn.part" / "journal"
    command = [sys.executable, str(script), str(source), str(tmp_path / "data")]
    with subprocess.Popen(command, start_new_session=True) as process:
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if journal.exists() and journal.read_bytes().count(b"\n") > 10:
                break
            time.sleep(0.002)
        process.kill()
    assert process.returncode == -signal.SIGKILL, "the import was over before it could be killed"
    assert not (tmp_path / "data" / "ntu60-ctrgcn").exists()
    # The processes of the import end with it.
    while time.monotonic() < deadline:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.02)
    recorder = Recorder()
    path = prepare(BENCHMARKS.get("ntu60"), [source], tmp_path / "data", recorder, workers=1)
    done = [number for what, number, _ in recorder.steps if what == recorder.steps[0][0]]
    whole = open_dataset(prepare(BENCHMARKS.get("ntu60"), [source], tmp_path / "whole", workers=1))
    assert done[0] > 18
    assert done[-1] == len(whole) == len(list(source.iterdir())) - len(whole.report()["dropped"])
    assert open_dataset(path).fingerprint == whole.fingerprint
    assert open_dataset(path).report() == whole.report()


def test_called_as_an_importer_it_stops_at_the_first_fault(golden: Path) -> None:
    with pytest.raises(DataError, match="is empty"):
        list(BENCHMARKS.get("ntu60").read([golden / "malformed/ntu"], ImportReport()))
