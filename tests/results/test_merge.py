"""Joining results folders: nothing is lost, doubled, overwritten or half-copied, and contradictions are named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sslskel.cli import main
from sslskel.errors import UsageError
from sslskel.results.merge import merge
from sslskel.results.record import Record, parse_record
from sslskel.results.store import ResultStore

STORED = parse_record(Path(__file__).with_name("record_v1.json").read_text(encoding="utf-8"))


def record_of(number: int, score: float = 0.5, **changes: object) -> Record:
    return replace(STORED, identity=f"{number:032x}", seed=number, scores={"top1": score}, predictions=None, **changes)  # type: ignore[arg-type]


def filled(folder: Path, *records: Record) -> Path:
    for record in records:
        ResultStore(folder).write(record, {"keys": np.arange(3), "value_predicted": np.arange(3)})
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_folders_become_one_with_their_predictions(tmp_path: Path) -> None:
    one = filled(tmp_path / "one", record_of(1), record_of(2))
    two = filled(tmp_path / "two", record_of(2), record_of(3))
    merged = merge([one, two], tmp_path / "all")
    assert (merged.added, merged.present, merged.conflicts, merged.problems) == (3, 1, (), ())
    records, problems = ResultStore(tmp_path / "all").read_all()
    assert [record.seed for record in records] == [1, 2, 3]
    assert not problems
    for record in records:
        assert ResultStore(tmp_path / "all").predictions(record)["keys"].tolist() == [0, 1, 2]
    before = contents(tmp_path / "all")
    assert merge([one, two], tmp_path / "all").added == 0
    assert contents(tmp_path / "all") == before


def test_another_machine_time_or_cost_is_no_contradiction(tmp_path: Path) -> None:
    one = filled(tmp_path / "one", record_of(1))
    two = filled(tmp_path / "two", record_of(1, created="2027-01-01T00:00:00Z", cost={"evaluate_seconds": 9.0}))
    merged = merge([one, two], tmp_path / "all")
    assert (merged.added, merged.present, merged.conflicts) == (1, 1, ())
    [record], _ = ResultStore(tmp_path / "all").read_all()
    assert record.created == STORED.created


def test_contradicting_records_are_named_and_not_added(tmp_path: Path) -> None:
    one = filled(tmp_path / "one", record_of(1, 0.5), record_of(2))
    two = filled(tmp_path / "two", record_of(1, 0.6))
    merged = merge([one, two], tmp_path / "all")
    [conflict] = merged.conflicts
    assert "differs in scores" in conflict
    assert str(one) in conflict
    assert str(two) in conflict
    records, _ = ResultStore(tmp_path / "all").read_all()
    assert [record.seed for record in records] == [2]


def test_what_the_target_holds_stays(tmp_path: Path) -> None:
    target = filled(tmp_path / "all", record_of(1, 0.5))
    before = contents(target)
    merged = merge([filled(tmp_path / "two", record_of(1, 0.6))], target)
    assert len(merged.conflicts) == 1
    assert contents(target) == before


def test_broken_records_and_predictions_are_named_and_left_out(tmp_path: Path) -> None:
    one = filled(tmp_path / "one", record_of(1), record_of(2), record_of(3))
    (one / "records" / f"{1:032x}.json").write_text("{", encoding="utf-8")
    [predictions] = (one / "predictions").glob(f"{2:032x}-*")
    content = bytearray(predictions.read_bytes())
    content[-1] ^= 1
    predictions.write_bytes(content)
    merged = merge([one], tmp_path / "all")
    assert merged.added == 1
    assert len(merged.problems) == 2
    assert any("not JSON" in problem for problem in merged.problems)
    assert any("sha256 differs" in problem for problem in merged.problems)


def test_a_folder_without_results_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    one = filled(tmp_path / "one", record_of(1))
    with pytest.raises(UsageError, match="holds no results"):
        merge([one, tmp_path / "none"], tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_the_command_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = filled(tmp_path / "one", record_of(1))
    two = filled(tmp_path / "two", record_of(1, 0.9))
    assert main(["leaderboard", "merge", str(one), "--results", str(tmp_path / "all")]) == 0
    assert "1 records added" in capsys.readouterr().out
    assert main(["leaderboard", "merge", str(two), "--results", str(tmp_path / "all")]) == 1
    assert "differs in scores" in capsys.readouterr().err
    assert main(["leaderboard", "merge"]) == 2
