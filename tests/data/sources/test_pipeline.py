"""The import of a source in pieces: continued after a kill, safe twice, damaged files reported, order kept."""

from __future__ import annotations

import signal
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from recorder import Interrupter, Recorder
from toy_pieces import INFO, make, read_names, toy

from sslskel.api.benchmark import ImportReport
from sslskel.api.dataset import Segment
from sslskel.data.prepare import open_benchmark, prepare
from sslskel.data.sources import workers
from sslskel.data.sources.archives import SourceFile
from sslskel.data.sources.pieces import Made, Piece, PieceImporter
from sslskel.data.store import journal
from sslskel.data.store.store import open_dataset
from sslskel.errors import DataError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for number in range(9):
        (folder / f"{number}.toy").write_text("x" * (number + 1))
    return folder


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """One piece per task and a mark on the disk after each."""
    monkeypatch.setattr(workers, "TASK_PIECES", 1)
    monkeypatch.setattr("sslskel.data.store.grow.FLUSH_SECONDS", -1.0)
    # Where this file can be imported, its pieces would be made by other processes, and read_names stay empty.
    monkeypatch.setattr("sslskel.data.sources.pipeline.cores", lambda: 1)
    read_names.clear()


def test_clips_come_in_order_and_twice_is_once(source: Path, tmp_path: Path) -> None:
    recorder = Recorder()
    path = prepare(toy(), [source], tmp_path / "data", recorder)
    dataset = open_benchmark(toy(), tmp_path / "data")
    assert list(dataset.names) == [str(number) for number in range(9)]
    assert dataset.lengths.tolist() == list(range(1, 10))
    assert [(done, of) for _, done, of in recorder.steps] == [(done, 9) for done in range(1, 10)]
    assert all(set(detail) == {"files/s"} for detail in recorder.details)
    assert dataset.report()["tally"] == {"frames": 45}
    read_names.clear()
    assert prepare(toy(), [source], tmp_path / "data") == path
    assert not read_names, "a second call for the same files must not read them again"
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["toy"]


def test_called_as_an_importer_it_gives_the_same(source: Path, tmp_path: Path) -> None:
    report = ImportReport()
    clips = list(toy().read([source], report))
    dataset = open_dataset(prepare(toy(), [source], tmp_path / "data"))
    assert [clip.name for clip in clips] == list(dataset.names)
    assert report.source == dataset.info.source
    assert report.tally == dataset.report()["tally"]


@pytest.mark.parametrize("stop", [1, 4, 8])
def test_an_interrupted_import_goes_on_to_the_same_dataset(source: Path, tmp_path: Path, stop: int) -> None:
    whole = open_dataset(prepare(toy(), [source], tmp_path / "whole"))

    read_names.clear()
    with pytest.raises(KeyboardInterrupt):
        prepare(toy(), [source], tmp_path / "data", Interrupter(stop))
    assert not (tmp_path / "data" / "toy").exists()
    read_names.clear()
    dataset = open_dataset(prepare(toy(), [source], tmp_path / "data"))
    assert read_names == [str(number) for number in range(stop - 1, 9)]
    assert dataset.fingerprint == whole.fingerprint
    assert dataset.report() == whole.report()
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["toy"]


def make_recording(file: SourceFile) -> Made:
    """A recording with an action that is a clip and one that is none, in a list or not."""
    (clip,) = make(file).clips
    cut = Segment(0, 1, 1, clip=f"cut{clip.name}", frames=1, confidence=2)
    lists = frozenset({"xsub"} if clip.subject else ())
    return Made((replace(clip, segments=(cut, Segment(0, clip.length, 0)), lists=lists),))


def test_an_interrupted_import_of_recordings_goes_on_too(source: Path, tmp_path: Path) -> None:
    read = PieceImporter((".toy",), lambda files, report: [Piece(f.name, (f,), make_recording) for f in files])
    cut = replace(toy(), read=read, info=replace(INFO, lists=("xsub",)))
    whole = open_dataset(prepare(cut, [source], tmp_path / "whole"))

    with pytest.raises(KeyboardInterrupt):
        prepare(cut, [source], tmp_path / "data", Interrupter(5))
    read_names.clear()
    dataset = open_dataset(prepare(cut, [source], tmp_path / "data"))
    assert read_names == [str(number) for number in range(4, 9)]
    assert list(dataset.names) == [f"cut{number}" for number in range(9)]
    assert dataset.untrimmed is not None
    assert dataset.untrimmed.segments is not None
    assert len(dataset.untrimmed.segments.owner) == 18
    assert dataset.fingerprint == whole.fingerprint


def test_what_changed_meanwhile_is_read_again(source: Path, tmp_path: Path) -> None:
    (source / "5.toy").write_text("bad")
    with pytest.raises(DataError, match=r"5\.toy' is bad"):
        prepare(toy(), [source], tmp_path / "data", strict=True)
    (source / "5.toy").write_text("xxxxxx")
    (source / "2.toy").write_text("xxxxxxx")
    read_names.clear()
    dataset = open_dataset(prepare(toy(), [source], tmp_path / "data", strict=True))
    assert read_names == [str(number) for number in range(2, 9)]
    assert dataset.lengths.tolist() == [1, 2, 7, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("damage", ["journal", "joints.npy", "valid.npy", "cut"])
def test_a_damaged_rest_is_not_trusted(source: Path, tmp_path: Path, damage: str) -> None:
    whole = open_dataset(prepare(toy(), [source], tmp_path / "whole"))
    (source / "7.toy").write_text("bad")
    with pytest.raises(DataError):
        prepare(toy(), [source], tmp_path / "data", strict=True)
    file = tmp_path / "data" / ".toy.part" / ("joints.npy" if damage == "cut" else damage)
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content[:-100] if damage == "cut" else content)
    (source / "7.toy").write_text("x" * 8)
    dataset = open_dataset(prepare(toy(), [source], tmp_path / "data"))
    dataset.verify()
    assert dataset.fingerprint == whole.fingerprint


def test_damaged_files_are_reported_and_rules_are_kept_apart(source: Path, tmp_path: Path) -> None:
    (source / "3.toy").write_text("bad")
    (source / "4.toy").write_text("skip")
    dataset = open_dataset(prepare(toy(), [source], tmp_path / "data"))
    report = dataset.report()
    assert list(report["faults"]) == ["3.toy"]
    assert "3.toy' is bad" in report["faults"]["3.toy"]
    assert report["dropped"] == {"4": "a rule"}
    assert report["expected"] == {"clips": [7, 9]}
    assert report["notes"] == ["clips: found 7 clips, expected 9; 2 dropped"]
    assert list(dataset.names) == list("0125678")
    with pytest.raises(DataError, match=r"3\.toy' is bad"):
        prepare(toy(), [source], tmp_path / "data", strict=True)
    assert open_dataset(tmp_path / "data" / "toy").fingerprint == dataset.fingerprint


def test_a_source_without_one_good_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "1.toy").write_text("bad")
    with pytest.raises(DataError, match=r"not one file could be used.*1\.toy' is bad"):
        prepare(toy(), [tmp_path / "1.toy"], tmp_path / "data")
    assert not (tmp_path / "data" / "toy").exists()


def test_a_part_of_a_source_needs_leave(source: Path, tmp_path: Path) -> None:
    (source / "8.toy").unlink()
    with pytest.raises(DataError, match="clips: found 8 clips, expected 9"):
        prepare(toy(), [source], tmp_path / "data")
    with pytest.raises(DataError, match="clips: found 8 clips, expected 9"):
        prepare(toy(partial=True), [source], tmp_path / "data", strict=True)
    assert len(open_dataset(prepare(toy(partial=True), [source], tmp_path / "data"))) == 8


def test_another_process_at_it_is_no_harm(source: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    held = journal.Journal(tmp_path / "data" / ".toy.part", {})
    try:
        dataset = open_dataset(prepare(toy(), [source], tmp_path / "data"))
    finally:
        held.close()
    assert len(dataset) == 9
    assert sorted(p.name for p in (tmp_path / "data").iterdir()) == [".toy.part", "toy"]


def test_archives_and_folders_give_the_same(source: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "toy.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(source.iterdir()):
            archive.write(file, f"deep/{file.name}")
    loose = open_dataset(prepare(toy(), [source], tmp_path / "a"))
    packed = open_dataset(prepare(toy(), [tmp_path / "toy.zip"], tmp_path / "b"))
    assert loose.fingerprint == packed.fingerprint
    assert len(packed.info.source["toy.zip"]) == 64


KILLED = """
from pathlib import Path
from toy_pieces import toy
from sslskel.data.sources import workers
from sslskel.data.store import grow
from sslskel.data.prepare import prepare
workers.TASK_PIECES, grow.FLUSH_SECONDS = 1, -1.0
prepare(toy(), [Path({source!r})], Path({root!r}), workers=1)
"""


def test_a_killed_process_loses_one_piece(source: Path, tmp_path: Path, support_env: dict[str, str]) -> None:
    (source / "6.toy").write_text("kill")
    script = KILLED.format(source=str(source), root=str(tmp_path / "data"))
    done = subprocess.run([sys.executable, "-c", script], env=support_env, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    (source / "6.toy").write_text("xxxxxxx")
    dataset = open_dataset(prepare(toy(), [source], tmp_path / "data"))
    assert read_names == ["6", "7", "8"]
    assert dataset.lengths.tolist() == list(range(1, 10))


def test_tasks_are_bounded_and_in_order() -> None:
    def sized(size: int) -> Piece:
        return Piece(str(size), (SourceFile("f", "f", "o", bytes, size),), make)

    workers.TASK_PIECES = 3
    pieces = [sized(n) for n in (1, 1, 1, 1, workers.TASK_BYTES, 5, 6, 9 * workers.TASK_BYTES, 7)]
    tasks = workers.tasks_of(pieces)
    assert [piece for task in tasks for piece in task] == pieces
    assert [len(task) for task in tasks] == [3, 1, 1, 2, 1, 1]


def test_preparing_needs_no_torch() -> None:
    script = "import sys, sslskel.data.prepare, sslskel.progress; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
