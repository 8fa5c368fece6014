"""PKU-MMD: clips and splits against what the released scripts make, the frames between them, what is refused."""

from __future__ import annotations

import csv
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorder import Interrupter

from sslskel.api.benchmark import Benchmark, ImportReport
from sslskel.api.dataset import Clip
from sslskel.benchmarks.common.pku_mmd import importing
from sslskel.benchmarks.common.pku_mmd.text import read_actions, read_frames, read_list
from sslskel.benchmarks.pku_mmd1 import BENCHMARK, PHASE
from sslskel.benchmarks.pku_mmd2 import BENCHMARK as SECOND
from sslskel.checks import check_dataset
from sslskel.data.prepare import open_benchmark, prepare
from sslskel.data.sources import workers
from sslskel.data.sources.archives import SourceFile
from sslskel.data.store import grow
from sslskel.data.store.store import StoredDataset
from sslskel.errors import DataError, SslskelError
from sslskel.grid.run import bench

PHASES = {1: replace(BENCHMARK, expected={}), 2: replace(SECOND, expected={})}
LIST = "Training videos: \n0011-L, 0012-M\nValidataion videos: \n0011-R\n"


def prepared(benchmark: Benchmark, sources: Sequence[Path], root: Path) -> StoredDataset:
    prepare(benchmark, sources, root)
    return open_benchmark(benchmark, root)


@pytest.fixture(scope="module", params=(1, 2))
def case(
    request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Benchmark, StoredDataset, list[dict[str, str]], Any]:
    """Benchmark, its prepared dataset, rows of the recorded index and the recorded clips of one phase."""
    phase, golden = request.param, shared / "ntu_golden"
    dataset = prepared(PHASES[phase], [golden / f"raw/pku/v{phase}"], tmp_path_factory.mktemp("pku"))
    with (golden / f"expected/pku_v{phase}_index.csv").open() as file:
        rows = list(csv.DictReader(file))
    return PHASES[phase], dataset, rows, np.load(golden / f"expected/pku_v{phase}_clips.npz", allow_pickle=False)


def dense(dataset: StoredDataset, clip: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(T, 150) as the released arrays hold a clip."""
    out = np.zeros((dataset.lengths[clip], 2, 75), np.float32)
    for row in np.flatnonzero(dataset.track_clip == clip):
        begin, length, offset = (int(c[row]) for c in (dataset.track_begin, dataset.track_length, dataset.track_offset))
        out[begin : begin + length, dataset.track_slot[row]] = dataset.joints[offset : offset + length].reshape(-1, 75)
    return out.reshape(-1, 150)


def test_clips_are_the_released_ones_to_the_last_bit(case: Any) -> None:
    _, dataset, rows, clips = case
    kept = [row for row in rows if row["kept"] == "1"]
    assert len(kept) == len(clips.files) == len(dataset)
    for row in kept:
        clip = dataset.names.tolist().index(f"{row['video']}_{row['number']}")
        assert dataset.labels[clip] == int(row["label"])
        assert np.array_equal(dense(dataset, clip), clips[row["clip"]])


def test_splits_are_the_released_ones(case: Any) -> None:
    benchmark, dataset, rows, _ = case
    for split in ("xsub", "xview"):
        for part in ("train", "test"):
            names = dataset.names[benchmark.split(split).part(dataset, part)].tolist()
            wanted = [f"{r['video']}_{r['number']}" for r in rows if r["kept"] == "1" and r[split] == part]
            assert names == wanted


def test_what_is_dropped_has_its_reason(case: Any) -> None:
    _, dataset, rows, _ = case
    reasons = {f"{r['video']}_{r['number']}": r["reason"] for r in rows if r["kept"] == "0"}
    dropped = dataset.report()["dropped"]
    assert sorted(dropped) == sorted(reasons)
    for name, reason in reasons.items():
        assert ("it begins behind" in dropped[name] or "it ends before" in dropped[name]) == (reason == "empty")


def test_recordings_stay_whole_for_detection(case: Any, shared: Path) -> None:
    benchmark, dataset, *_ = case
    whole = dataset.untrimmed
    assert whole is not None
    assert whole.segments is not None
    raw = shared / f"ntu_golden/raw/pku/v{1 if benchmark.name == 'pku_mmd1' else 2}"
    for place, video in enumerate(whole.names):
        frames = np.loadtxt(raw / f"skeleton/{video}.txt").astype(np.float32)
        assert np.array_equal(dense(whole, place), frames)
        actions = np.loadtxt(raw / f"label/{video}.txt", delimiter=",", ndmin=2).astype(int)
        actions[:, 2] = np.minimum(actions[:, 2], len(frames))
        actions = actions[actions[:, 1] < actions[:, 2]]
        segments = whole.segments.of(np.array([place]))
        columns = [segments.label + 1, segments.begin, segments.end, segments.confidence]
        assert np.array_equal(np.stack(columns, 1), actions)
        assert whole.cameras[place] == {"L": 1, "M": 2, "R": 3}[video[-1]]


def test_an_official_download_reads_alike_in_folders_and_archives(shared: Path, tmp_path: Path) -> None:
    raw = shared / "ntu_golden/raw/pku/v1"
    first = prepared(PHASES[1], [raw], tmp_path / "a")
    archives = []
    for folder, inside in (("skeleton", "PKU_Skeleton_Renew"), ("label", "Train_Label_PKU_final")):
        archives.append(tmp_path / f"{inside}.zip")
        with zipfile.ZipFile(archives[-1], "w") as archive:
            for path in sorted((raw / folder).iterdir()):
                archive.write(path, f"{inside}/{path.name}")
    lists = tmp_path / "Split"
    lists.mkdir()
    for name in ("cross-subject", "cross-view"):
        shutil.copy(raw / f"{name}.txt", lists / f"{name.replace('-', '_')}.txt")
    (lists / "ReadMe.txt").write_text("about the lists\n")
    second = prepared(PHASES[1], [*archives, lists], tmp_path / "b")
    assert first.fingerprint == second.fingerprint
    assert any("ReadMe.txt" in note for note in second.report()["notes"])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small source in the layout of phase I: two recordings of 30 frames in training, one in test."""
    source = tmp_path / "source"
    for folder in ("skeleton", "label"):
        (source / folder).mkdir(parents=True)
    generator = np.random.default_rng(5)
    for video in ("0011-L", "0012-M", "0011-R"):
        frames = generator.normal(size=(30, 150)).round(6)
        frames[:, 75:] = 0
        np.savetxt(source / f"skeleton/{video}.txt", frames, "%.6f")
        (source / f"label/{video}.txt").write_text("3,0,10,2\n4,12,30,1\n")
    for name in ("cross-subject", "cross-view"):
        (source / f"{name}.txt").write_text(LIST)
    return source


def imported(source: Path) -> tuple[list[Clip], ImportReport]:
    report = ImportReport()
    return list(BENCHMARK.read([source], report)), report


def test_a_recording_that_lacks_a_file_is_dropped_by_name(root: Path) -> None:
    (root / "label/0011-L.txt").unlink()
    (root / "skeleton/0012-M.txt").unlink()
    (root / "cross-view.txt").write_text(LIST.replace("0011-R", "0011-R, 0099-L"))
    clips, report = imported(root)
    assert [clip.name for clip in clips] == ["0011-R"]
    assert report.dropped == {
        "0011-L": "it has a skeleton file but no label file",
        "0012-M": "it has a label file but no skeleton file",
        "0099-L": "the list of split xview names it, but the source has no file of it",
    }


def test_a_prepared_phase_keeps_the_contract_and_is_judged(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = prepared(PHASES[1], [root], tmp_path / "data")
    failed = [result for result in check_dataset(PHASES[1], dataset=dataset) if result.failed]
    assert [result.name for result in failed] == ["labels_are_in_range"]  # two actions are not all of phase I
    assert not [result for result in check_dataset(replace(PHASES[1], spare_classes=True), dataset=dataset)
                if result.failed]  # fmt: skip
    monkeypatch.setenv("SSLSKEL_DATA", str(tmp_path / "data"))
    result = bench(["raw_features"], ["knn"], ["pku_mmd1"], output=tmp_path / "runs", overrides=["clip.frames=8"])
    assert not result.failures
    [record] = result.records
    assert (record.counts["train"], record.counts["validation"], record.counts["test"]) == (4, 0, 2)


WHOLE = """
from dataclasses import dataclass
import numpy as np
from sslskel.api.protocol import EvaluationProtocol, Outcome


@dataclass
class WholeConfig:
    pass


class Whole(EvaluationProtocol[WholeConfig]):
    Config = WholeConfig
    primary = "actions"
    untrimmed = True
    reads_labels = False

    def evaluate(self, encoders, parts, run):
        assert parts.test.segments is None
        rows = np.array([parts.train.segments.end.max(), parts.train.lengths.max()])
        keys = parts.test.keys.numpy()
        return Outcome(keys, {"rows": np.tile(rows, (len(keys), 1))}, info={"recipe": "whole"})

    def score(self, outcome, truth):
        return {"actions": len(truth.segments.label) / 100, "end": float(outcome.values["rows"][0, 0]) / 100}
"""


def test_a_protocol_may_ask_for_whole_recordings(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(PHASES[1], [root], tmp_path / "data")
    (tmp_path / "plugins/protocols").mkdir(parents=True)
    (tmp_path / "plugins/protocols/whole.py").write_text(WHOLE)
    monkeypatch.setenv("SSLSKEL_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SSLSKEL_PLUGINS", str(tmp_path / "plugins"))
    result = bench(["raw_features"], ["whole"], ["pku_mmd1"], output=tmp_path / "runs")
    assert not result.failures
    assert result.records[0].scores == {"actions": 0.02, "end": 0.3}
    assert result.records[0].counts["test"] == 1


def test_counts_of_the_release_are_asked_for(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"clips: found 6 clips, expected 21545"):
        prepare(BENCHMARK, [root], tmp_path / "data", strict=True)
    dataset = prepared(BENCHMARK, [root], tmp_path / "data")
    assert "xsub/train: found 4 clips, expected 18841; 0 dropped" in dataset.report()["notes"]


def test_a_damaged_recording_is_left_out_with_its_fault(root: Path, tmp_path: Path) -> None:
    (root / "label/0012-M.txt").write_text("99,1,5,2\n")
    with pytest.raises(DataError, match="class 99"):
        prepare(PHASES[1], [root], tmp_path / "data", strict=True)
    dataset = prepared(PHASES[1], [root], tmp_path / "data")
    assert sorted(dataset.report()["faults"]) == ["0012-M"]
    assert dataset.names.tolist() == ["0011-L_0", "0011-L_1", "0011-R_0", "0011-R_1"]


@pytest.mark.parametrize("changed", ["", "list"])
def test_an_interrupted_import_goes_on_with_its_annotations(
    changed: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "TASK_PIECES", 1)
    monkeypatch.setattr(grow, "FLUSH_SECONDS", -1.0)
    made: list[str] = []
    monkeypatch.setattr(importing, "read_frames", lambda file: made.append(file.name) or read_frames(file))

    with pytest.raises(KeyboardInterrupt):
        prepare(PHASES[1], [root], tmp_path / "data", Interrupter(3), workers=1)
    if changed:
        (root / "cross-view.txt").write_text(LIST.replace("0012-M", "0012-M, 0013-M"))
    made.clear()
    prepare(PHASES[1], [root], tmp_path / "data", workers=1)
    assert made == (["0011-L.txt", "0011-R.txt", "0012-M.txt"] if changed else ["0012-M.txt"])
    dataset, whole = (prepared(PHASES[1], [root], tmp_path / name) for name in ("data", "whole"))
    assert dataset.fingerprint == whole.fingerprint
    assert dataset.report() == whole.report()
    assert dataset.untrimmed is not None


def line(frames: str, number: int, text: str) -> str:
    lines = frames.splitlines(keepends=True)
    lines[number - 1] = text
    return "".join(lines)


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("skeleton/0011-L.txt", "", "is empty"),
        ("skeleton/0011-L.txt", lambda t: line(t, 7, "1 2 3\n"), "line 7 has 3 numbers, not 150"),
        ("skeleton/0011-L.txt", lambda t: t.replace(" 0.000000", " x", 1), "line 1, number 76 is no position"),
        ("skeleton/0011-L.txt", lambda t: t.replace(" 0.000000", " nan", 1), "within 1000 m: 'nan'"),
        ("skeleton/0011-L.txt", lambda t: t.replace(" 0.000000", " 1e30", 1), "within 1000 m: '1e30'"),
        ("skeleton/0011-L.txt", "é", "no plain text"),
        ("skeleton/0011-L.txt", lambda t: line(t, 3, " 0" * 9000 + "\n"), "line 3 has 18,000 characters"),
        ("label/0011-L.txt", "1,1,5,2\n" * 140_000, "more than the 1,048,576"),
        ("label/0011-L.txt", "0,1,5,2\n", "line 1 has class 0"),
        ("label/0011-L.txt", "1,1,5,2\n\n52,1,5,2\n", "line 3 has class 52"),
        ("label/0011-L.txt", "1,1,5\n", "not four whole numbers"),
        ("label/0011-L.txt", "1,1.5,5,2\n", "not four whole numbers"),
        ("label/0011-L.txt", "1,-1,5,2\n", "not four whole numbers"),
        ("label/0011-L.txt", "1,1,nan,2\n", "not four whole numbers"),
        ("cross-view.txt", "0011-L\n", "line 1 has '0011-L', not a heading"),
        ("cross-view.txt", LIST.replace("0012-M", "0012-X"), "line 2 has '0012-X'"),
        ("cross-view.txt", LIST.replace("0011-R", "0011-L"), "has 0011-L among the training videos and"),
        ("cross-view.txt", "Training videos:\n0011-L\n", "has not both lists"),
        ("cross-view.txt", "Validataion videos:\n0011-L\n", "in the wrong place"),
    ],
)
def test_bad_files_are_refused_by_name_and_line(root: Path, file: str, text: Any, words: str) -> None:
    path = root / file
    path.write_text(text(path.read_text()) if callable(text) else text)
    with pytest.raises(DataError) as fault:
        imported(root)
    assert words in str(fault.value)
    assert file in str(fault.value)
    assert "\n" not in str(fault.value)


def test_incomplete_and_foreign_sources_are_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no skeleton file like skeleton/A03N05-L\.txt of phase 2; it has 6 other"):
        list(SECOND.read([root], ImportReport()))
    (root / "cross_view.txt").write_text(LIST)
    with pytest.raises(DataError, match="split xview has two lists"):
        imported(root)
    (root / "cross_view.txt").unlink()
    (root / "cross-view.txt").unlink()
    with pytest.raises(DataError, match=r"no list cross-view\.txt"):
        imported(root)
    (root / "label").rename(root / "actions")
    with pytest.raises(DataError, match="may be skeletons or labels"):
        imported(root)


def test_the_malformed_roots_of_the_golden_set(shared: Path) -> None:
    folder = shared / "ntu_golden/malformed/pku"
    clips, _ = imported(folder / "one_annotation")
    assert [segment.clip for clip in clips for segment in clip.segments] == ["0050-L_0"]
    for name, words in (
        ("line_of_149", "skeleton/0050-L.txt' line 10 has 149 numbers"),
        ("non_numeric", "line 1, number 76"),
        ("empty_skeleton", "is empty"),
        ("label_missing", "no label file"),
        ("class_0", "class 0"),
        ("class_52", "class 52"),
    ):
        with pytest.raises(DataError) as fault:
            imported(folder / name)
        assert words in str(fault.value)


def mutated(content: bytes, generator: np.random.Generator) -> bytes:
    """Some bytes changed, cut out or doubled, and now and then the end cut off."""
    broken = bytearray(content)
    for _ in range(generator.integers(1, 6)):
        at, size = int(generator.integers(len(broken) or 1)), int(generator.integers(1, 9))
        match generator.integers(3):
            case 0:
                broken[at : at + 1] = generator.bytes(1)
            case 1:
                del broken[at : at + size]
            case _:
                broken[at:at] = broken[at : at + size]
    return bytes(broken[: generator.integers(len(broken))] if generator.random() < 0.2 else broken)


@pytest.mark.parametrize("count", [300, pytest.param(2000, marks=pytest.mark.long)])
def test_mutated_files_raise_nothing_but_their_own_error(count: int, root: Path) -> None:
    generator, faults = np.random.default_rng(17), 0
    frames = b"".join((root / "skeleton/0011-L.txt").read_bytes().splitlines(keepends=True)[:3])
    readers = [
        (frames, lambda file: np.isfinite(read_frames(file)).all()),
        (b"3,0,10,2\r\n4,12,30,1\r\n", lambda file: all(1 <= a.label <= 51 for a in read_actions(file))),
        (LIST.encode(), lambda file: bool(read_list(file, PHASE.video).training)),
    ]
    for turn in range(count):
        content, reader = readers[turn % 3]
        content = mutated(content, generator)
        try:
            assert reader(SourceFile("x.txt", "x.txt", "x.txt", lambda content=content: content))  # type: ignore[misc]
        except SslskelError as fault:
            faults += "'x.txt'" in str(fault) or pytest.fail(str(fault))
    assert faults > count / 3
