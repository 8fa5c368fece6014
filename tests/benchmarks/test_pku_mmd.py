"""PKU-MMD: clips and splits against what the released scripts make, and the frames between them."""

from __future__ import annotations

import csv
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pku_mmd_files import LIST, PHASES, prepared, write_source
from recorded import Recorded
from recorder import Interrupter

from sslskel.api.benchmark import Benchmark
from sslskel.benchmarks.common.pku_mmd import importing
from sslskel.benchmarks.common.pku_mmd.text import read_frames
from sslskel.benchmarks.pku_mmd1 import BENCHMARK
from sslskel.checks import check_dataset
from sslskel.data.prepare import prepare
from sslskel.data.sources import workers
from sslskel.data.store import grow
from sslskel.data.store.store import StoredDataset
from sslskel.errors import DataError
from sslskel.grid.run import bench


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_source(tmp_path / "source")


@pytest.fixture(scope="module", params=(1, 2))
def case(
    request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Benchmark, StoredDataset, list[dict[str, str]], Any]:
    """Benchmark, its prepared dataset, rows of the recorded index and the recorded clips of one phase."""
    phase, golden = request.param, shared / "ntu_golden"
    dataset = prepared(PHASES[phase], [golden / f"raw/pku/v{phase}"], tmp_path_factory.mktemp("pku"))
    with (golden / f"expected/pku_v{phase}_index.csv").open() as file:
        rows = list(csv.DictReader(file))
    return PHASES[phase], dataset, rows, Recorded(golden / f"expected/pku_v{phase}_clips.npz")


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
    assert len(kept) == len(clips) == len(dataset)
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
