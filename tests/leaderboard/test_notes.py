"""What stands below a board: findings, warnings, notes of presets, costs and code, and files left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from board_records import cell_of, made, three

from sslskel.leaderboard.build import build_board
from sslskel.leaderboard.folder import board_of
from sslskel.results.record import RecordError, parse_record
from sslskel.results.store import ResultStore


@pytest.mark.parametrize("of", ["epoch", "head"])
def test_the_best_on_test_is_said_below_and_ranks_nothing(of: str) -> None:
    def extra_with(best: Any) -> dict[str, Any]:
        return {"details": {f"best_test_{of}": best}}

    plain = [*three("mamp", 0.5, 0.52, 0.51), *three("skeletonmae", 0.6, 0.62, 0.61)]
    records = [replace(r, extra=extra_with({"top1": 0.99 - r.seed / 100})) for r in plain[:3]] + plain[3:]
    before, after = build_board(plain), build_board(records)
    assert after.rows == before.rows
    [note] = set(after.notes) - set(before.notes)
    assert f"best test {of}, chosen on test, as published code does: mamp 98.0 ± 1.0 (3)" in note
    for broken in (None, 7, {"top1": "<b>"}, {"top1": 3}):
        assert build_board([replace(plain[0], extra=extra_with(broken))]).notes == build_board(plain[:1]).notes


def test_how_well_heads_were_trained_is_said_below() -> None:
    def ended(top1: Any, steps: Any, converged: Any) -> dict[str, Any]:
        return {"details": {"train_top1": top1, "steps": steps, "converged": converged}}

    mamp, floor = three("mamp", 0.5, 0.52, 0.51), three("random_init", 0.3, 0.31, 0.32)
    ends = (ended(0.95, 4000, True), ended(0.97, 4000, False), ended(0.96, 4200, True))
    records = [replace(record, extra=extra) for record, extra in zip(mamp, ends, strict=True)]
    records += [replace(record, extra=ended(0.5, 200, False)) for record in floor]
    before, after = build_board([*mamp, *floor]), build_board(records)
    assert after.rows == before.rows
    [note] = set(after.notes) - set(before.notes)
    assert note == (
        "utd_mhad/xsub linear top1: heads, accuracy on training clips: mamp 96.0 in 4,000 to 4,200 steps, 1 of 3 not"
        " converged; random_init 50.0 in 200 steps, not converged"
    )
    for broken in (
        ended("<b>", 1, True),
        ended(3, 1, True),
        ended(0.5, -1, True),
        ended(0.5, 1, "yes"),
        {"details": 7},
    ):
        assert build_board([replace(mamp[0], extra=broken)]).notes == build_board(mamp[:1]).notes


def test_sentences_name_the_preset_where_presets_differ() -> None:
    board = build_board([*three("mamp", 0.5), *three("mamp", 0.6, preset="cpu-200")])
    assert "mamp [cpu-200] has the highest mean, 60.0 %, before mamp [cpu], 50.0 %" in board.findings[0]


def test_warnings_of_splits_and_unequal_budgets_are_said() -> None:
    board = build_board([*three("mamp", 0.5, benchmark__warning="few subjects"), *three("skeletonmae", 0.5, labels=40)])
    assert "utd_mhad/xsub: few subjects" in board.warnings
    assert "utd_mhad/xsub linear top1: rows used from 40 to 431 labelled clips" in board.warnings


def test_an_encoder_that_does_not_say_what_it_saw_is_no_floor() -> None:
    board = build_board(
        [*three("mamp", 0.5), *three("mamp_ntu60", 0.6, seen=[], method__plugin="released", method__version=0)]
    )
    assert all(row.trained for row in board.rows)
    assert any("not known" in warning and "mamp_ntu60" in warning for warning in board.warnings)


def test_notes_say_preset_cost_and_code() -> None:
    records = [
        *three("mamp", 0.5, 0.6, config__train__lr=0.001),
        *three("random_init", 0.1, seen=[], config__train__epochs=999, config__train__lr=9.0),
    ]
    notes = " | ".join(build_board(records).notes)
    assert "preset cpu: 60 frames, 60 epochs of pretraining, 64 clips in a batch, 203,136 weights" in notes
    assert "weights in a pretrained encoder, learning rate 0.001 |" in notes
    assert "cost: 2 pretrained encoders in 0.03 h, 3 evaluations in 0.03 h, on AMD EPYC" in notes
    assert "torch 2.13.0+cpu, commit 7c8723ce6df6" in notes
    assert "uncommitted" not in notes


def test_a_note_names_methods_that_are_written_after_a_description() -> None:
    records = [*three("mamp", 0.5), *three("cpm", 0.4, method__described=True)]
    notes = [note for note in build_board(records).notes if "description" in note]
    assert notes == ["after the description, no code was released: cpm"]
    assert not [note for note in build_board(three("mamp", 0.5)).notes if "description" in note]
    with pytest.raises(RecordError, match=r"field 'method.described' is 1, not "):
        made("cpm", method__described=1)


def test_one_pretraining_is_paid_once() -> None:
    first = made("mamp", 0.5)
    second = parse_record(
        made("mamp", 0.5, protocol="knn")
        .to_json()
        .replace(made("mamp", 0.5, protocol="knn").pretrain_identity, first.pretrain_identity)
    )
    assert any("1 pretrained encoders in 0.01 h, 2 evaluations" in note for note in build_board([first, second]).notes)


def test_missing_costs_are_no_fault() -> None:
    assert build_board(three("mamp", 0.5, cost={"pretrain_seconds": None})).rows[0].pretrain_seconds == 0.0


def test_a_note_says_what_one_pretraining_took() -> None:
    paces = ((120.0, 50.0), (180.0, 40.0), (600.0, 10.0))
    records = [
        made("mamp", 0.5, seed=seed, cost={"pretrain_seconds": seconds, "samples_per_second": pace})
        for seed, (seconds, pace) in enumerate(paces)
    ]
    floor = three("random_init", 0.1, seen=[], cost={"pretrain_seconds": 0.0, "samples_per_second": 0.0})
    board = build_board([*records, *floor])
    assert [(row.pretrain_seconds, row.samples_per_second) for row in board.rows] == [(180.0, 40.0), (0.0, 0.0)]
    assert (
        "one pretraining, median over seeds: mamp 3.0 min at 40 clips/s, 203,136 weights in the encoder" in board.notes
    )


def test_a_folder_names_what_it_leaves_out(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    for record in three("mamp", 0.5, 0.6):
        store.write(record)
    (tmp_path / "records" / "broken.json").write_text("{", encoding="utf-8")
    reported: list[str] = []
    board = board_of(tmp_path, report=reported.append)
    cell = cell_of(board, "mamp")
    assert cell is not None
    assert cell.seeds == (0, 1)
    assert len(reported) == 1
    assert "broken.json" in reported[0]
    assert board_of(tmp_path, ["other"], report=reported.append).rows == ()


def test_records_without_a_digest_are_counted(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    signed, early = three("mamp", 0.5, 0.6)
    store.write(signed)
    store.path(early.identity).write_text(early.to_json(), encoding="utf-8")
    reported: list[str] = []
    board_of(tmp_path, report=reported.append)
    assert reported == ["1 of 2 records bear no digest, as early ones; damage in them may go unnoticed"]
