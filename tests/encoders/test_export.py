"""A packed encoder predicts elsewhere what it predicted at home, and its folder is whole or not there."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from sslskel.cli import main
from sslskel.encoders.embed import embed
from sslskel.encoders.export import export
from sslskel.errors import CheckpointError, UsageError
from sslskel.grid.run import bench, evaluate
from sslskel.results.store import ResultStore


@pytest.fixture
def run_folder(tiny: str, tmp_path: Path) -> Path:
    bench(["mamp"], ["knn"], [tiny], [0], output=tmp_path / "runs", overrides=["train.epochs=1"])
    [folder] = (tmp_path / "runs" / "pretrain").iterdir()
    return folder


def test_somebody_else_gets_the_same_predictions(run_folder: Path, tmp_path: Path) -> None:
    folder, records = export(run_folder, tmp_path / "packed")
    assert records == 1
    [home], _ = ResultStore(tmp_path / "runs").read_all()
    expected = ResultStore(tmp_path / "runs").predictions(home)
    shutil.rmtree(tmp_path / "runs")
    moved = folder.rename(tmp_path / "elsewhere")
    record = evaluate(moved, "knn", output=tmp_path / "theirs")
    assert record.scores == home.scores
    assert record.weights_sha256 == home.weights_sha256
    predictions = ResultStore(tmp_path / "theirs").predictions(record)
    assert predictions.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(predictions[name], expected[name])


def test_the_folder_is_a_results_folder_with_a_card_and_without_an_optimiser(run_folder: Path, tmp_path: Path) -> None:
    folder, _ = export(run_folder, tmp_path / "packed")
    [record], problems = ResultStore(folder).read_all()
    assert not problems
    assert ResultStore(folder).predictions(record)
    card = (folder / "README.md").read_text(encoding="utf-8")
    for title in ("Data", "Results", "Use", "Licence", "Limits", "Recipe"):
        assert f"\n## {title}\n" in card
    assert f"{record.counts['train']:,} clips" in card
    assert "method mamp" in card
    assert "sslskel evaluate --checkpoint packed --protocol" in card
    assert str(tmp_path) not in card
    [step] = run_folder.glob("step-*")
    assert (folder / "optimiser.safetensors").stat().st_size < (step / "optimiser.safetensors").stat().st_size / 100


def test_features_go_to_endings_that_say_what_they_are(run_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ends in '.csv'; features are written to .npz or .parquet"):
        embed(run_folder, tmp_path / "features.csv")
    assert not (tmp_path / "features.csv").exists()


def test_a_target_that_exists_is_left_alone(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "mine").touch()
    with pytest.raises(UsageError, match="is there already"):
        export(run_folder, tmp_path / "packed")
    assert [path.name for path in (tmp_path / "packed").iterdir()] == ["mine"]


def test_a_damaged_checkpoint_leaves_nothing(run_folder: Path, tmp_path: Path) -> None:
    [step] = run_folder.glob("step-*")
    content = bytearray((step / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (step / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError):
        export(run_folder, tmp_path / "packed")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"]


def test_the_command(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(run_folder), "--output", str(tmp_path / "packed")]) == 0
    assert "1 records" in capsys.readouterr().out
    assert main(["export", str(tmp_path / "nowhere")]) == 2
    assert main(["export", str(run_folder), "--output", str(tmp_path / "packed")]) == 2


def test_records_that_cannot_be_read_are_named_and_left_out(run_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    results = run_folder.parent.parent
    [damaged] = (results / "predictions").iterdir()
    damaged.write_bytes(b"")
    foreign = results / "records" / "notes.txt"
    foreign.touch()
    _, records = export(run_folder, results.parent / "packed")
    assert records == 0
    assert f"left out {foreign}: not a record" in caplog.text
    assert f"{damaged} is not the file that record" in caplog.text
