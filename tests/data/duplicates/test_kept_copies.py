"""The list of copies beside a dataset: made once, also for data of earlier versions, and used by splits and notes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sslskel.api.benchmark import Benchmark
from sslskel.api.dataset import Clip, DatasetInfo, Segment, Track
from sslskel.cli import main
from sslskel.data.card import card, info_lines
from sslskel.data.duplicates import kept
from sslskel.data.own.importing import import_dataset
from sslskel.data.prepare import open_benchmark
from sslskel.data.store.store import StoredDataset, open_dataset, write_dataset
from sslskel.errors import UsageError
from sslskel.plugins.registry import BENCHMARKS

JOINTS = "joints: {hip: null, neck: hip, left_hand: neck, right_hand: neck, head: neck}\nfps: 30\n"


def waving(seed: int, length: int = 24) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(T, 5, 3) metres."""
    random = np.random.default_rng(seed)
    body = np.array([[0, 0, 3], [0, 0.5, 3], [-0.6, 0.3, 3], [0.6, 0.3, 3], [0, 0.8, 3]])
    return (body + 0.1 * random.normal(size=(length, 5, 3)).cumsum(0)).astype(np.float32)


def folder_with_copies(folder: Path, rounded: int = 3) -> Path:
    """A table of eight clips of four subjects; clips 2 and 6 are those of other subjects, rounded."""
    folder.mkdir()
    lines = ["file,label,subject"]
    for number in range(8):
        subject = 1 + number % 4
        array = waving(number) if number not in (2, 5) else np.round(waving(number - 1), rounded)
        np.save(folder / f"clip{number}.npy", array)
        lines.append(f"clip{number}.npy,{'ab'[number // 4]},{subject}")
    (folder / "clips.csv").write_text("\n".join(lines), encoding="utf-8")
    (folder / "layout.yaml").write_text(JOINTS, encoding="utf-8")
    return folder


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Benchmark:
    monkeypatch.setenv("SSLSKEL_DATA", str(tmp_path / "data"))
    folder = folder_with_copies(tmp_path / "raw")
    import_dataset("mine", clips=folder / "clips.csv", layout=folder / "layout.yaml")
    return BENCHMARKS.get("mine")


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the datasets that were searched."""
    done: list[str] = []
    search = kept.search

    def counted(dataset: Any, *rest: Any) -> Any:
        done.append(dataset.info.name)
        return search(dataset, *rest)

    monkeypatch.setattr(kept, "search", counted)
    return done


def test_an_import_searches_once_and_keeps_the_list(searches: list[str], imported: Benchmark) -> None:
    dataset = open_benchmark(imported)
    assert searches == ["mine"]
    assert [(one.first, one.second) for one in dataset.copies()] == [(1, 2), (4, 5)]
    assert searches == ["mine"]


def test_data_of_an_earlier_version_is_searched_at_first_use(searches: list[str], imported: Benchmark) -> None:
    file = open_benchmark(imported).path / "copies.json"
    before = {path.name: path.read_bytes() for path in file.parent.iterdir()}
    file.unlink()
    fingerprint = open_benchmark(imported).fingerprint
    assert len(open_benchmark(imported).copies()) == len(open_benchmark(imported).copies()) == 2
    assert searches == ["mine"] * 2
    assert open_benchmark(imported).fingerprint == fingerprint
    assert {path.name: path.read_bytes() for path in file.parent.iterdir()} == before


@pytest.mark.parametrize(
    "damage", ["", "[]", "{", "pairs", "form", "fingerprint", '{"form": 1}', "\x00", '{"form": 1, "pairs": 7}']
)
def test_a_damaged_list_is_made_again(damage: str, searches: list[str], imported: Benchmark) -> None:
    file = open_benchmark(imported).path / "copies.json"
    text = file.read_text(encoding="utf-8")
    content = json.loads(text)
    if damage in content:
        content[damage] = {"pairs": [[1, 2, 3, 0, 0, True]], "form": 0, "fingerprint": "0" * 64}[damage]
        damage = json.dumps(content)
    file.write_text(damage, encoding="utf-8")
    assert len(open_benchmark(imported).copies()) == 2
    assert file.read_text(encoding="utf-8") == text
    assert searches == ["mine"] * 2


def test_where_nothing_can_be_written_the_list_is_made_each_time(
    searches: list[str], imported: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> bool:
        raise OSError(28, "No space left on device")

    (open_benchmark(imported).path / "copies.json").unlink()
    monkeypatch.setattr(kept, "publish", full)
    assert [len(open_benchmark(imported).copies()) for _ in range(2)] == [2, 2]
    heard: list[str] = []

    class Heard:
        def line(self, text: str) -> None:
            heard.append(text)

        def step(self, what: str, done: int, of: int, /, **detail: object) -> None:
            pass

    open_benchmark(imported).copies(Heard())
    assert "cannot be written (No space left on device), so that every run searches for copies again" in heard[0]
    assert searches == ["mine"] * 4


def test_the_clean_split_leaves_out_test_clips_that_training_holds(imported: Benchmark) -> None:
    dataset, official, clean = open_benchmark(imported), imported.split("xsub"), imported.split("xsub-clean")
    tests = {split.name: dataset.names[split.part(dataset, "test")].tolist() for split in (official, clean)}
    assert len(tests["xsub"]) == 4
    gone = set(tests["xsub"]) - set(tests["xsub-clean"])
    assert gone == set(dataset.names[official.copied(dataset)].tolist())
    assert len(gone) == 2
    assert not len(clean.copied(dataset))
    for part in ("train", "fit", "validation"):
        assert clean.part(dataset, part).tolist() == official.part(dataset, part).tolist()
    with pytest.raises(UsageError, match="has no split 'sub-clean'"):
        imported.split("sub-clean")


def test_import_info_and_card_say_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SSLSKEL_DATA", str(tmp_path / "data"))
    folder = folder_with_copies(tmp_path / "raw")
    assert (
        main(["data", "import", "mine", "--clips", str(folder / "clips.csv"), "--layout", str(folder / "layout.yaml")])
        == 0
    )
    text = capsys.readouterr().out
    assert "the same frames (how many) in 2 pairs of clips: " in text
    sentence = "split xsub: 2 of 4 test clips hold frames of training clips ("
    assert f"note: {sentence}" in text
    assert "--split xsub-clean leaves them out" in text
    benchmark = BENCHMARKS.get("mine")
    assert any(line.startswith(sentence) for line in info_lines(benchmark, open_benchmark(benchmark)))
    assert "2 of 4 test clips hold frames of training clips" in card(benchmark, open_benchmark(benchmark))


def test_clips_of_one_recording_are_not_compared_and_recordings_are(tmp_path: Path) -> None:
    """Two actions that overlap in a recording share frames by design; two recordings of one performance do not."""
    body = BENCHMARKS.get("synthetic").info.layout
    random = np.random.default_rng(0)
    joints = random.normal(0, 0.3, (60, body.num_joints, 3)).astype(np.float32)
    other = random.normal(0, 0.3, (60, body.num_joints, 3)).astype(np.float32)

    def recording(name: str, frames: Any) -> Clip:
        cut = (Segment(0, 30, 0, f"{name}-1", 30), Segment(20, 60, 1, f"{name}-2", 40))
        return Clip(name, -1, 60, (Track(0, 0, frames, np.ones(60, np.bool_)),), segments=cut)

    info = DatasetInfo("cut", 1, body, ("a", "b"), 30.0)
    write_dataset(tmp_path / "cut", info, [recording("r1", joints), recording("r2", other), recording("r3", joints)])
    dataset = open_dataset(tmp_path / "cut")
    names = dataset.names.tolist()
    assert {(names[one.first], names[one.second]) for one in dataset.copies()} >= {("r1-1", "r3-1"), ("r1-2", "r3-2")}
    assert not [one for one in dataset.copies() if names[one.first][:2] == names[one.second][:2]]
    whole = dataset.untrimmed
    assert isinstance(whole, StoredDataset)
    assert [(one.first, one.second, one.frames) for one in whole.copies()] == [(0, 2, 60)]
    assert list(open_dataset(tmp_path / "cut").copies()) == list(dataset.copies())
