"""Boards list the seeds behind their numbers, and say so where more existed than they show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from board_records import made, three

from sslskel.leaderboard.build import build_board
from sslskel.leaderboard.folder import board_of
from sslskel.leaderboard.seeds import asked_seeds, numbers
from sslskel.results.record import Record
from sslskel.results.store import ResultStore

ALONE = "sslskel bench --method mamp --protocol linear"


def seeds_of(method: str, *seeds: int, **changes: Any) -> list[Record]:
    """Records of these seeds, by a command that asked for no more."""
    return [made(method, 0.5 + seed / 100, seed, **{"command": ALONE, **changes}) for seed in seeds]


def cautions(records: list[Record], **choice: Any) -> list[str]:
    return [text for text in build_board(records, **choice).warnings if "more seeds" in text]


def test_every_row_names_its_seeds() -> None:
    board = build_board([*seeds_of("mamp", 0, 1, 2), *seeds_of("isc", 0, 1, 2), *seeds_of("one", 7)])
    assert "pretrainings: seed 7: one; seeds 0, 1, 2: isc, mamp" in board.notes


def test_columns_with_other_seeds_are_told_apart() -> None:
    board = build_board([*seeds_of("mamp", 0, 1), *seeds_of("mamp", 0, protocol="knn")])
    [note] = [note for note in board.notes if note.startswith("pretrainings")]
    assert "seeds 0, 1: mamp (utd_mhad/xsub linear top1); seed 0: mamp (utd_mhad/xsub knn top1)" in note


@pytest.mark.parametrize(
    ("seeds", "text"),
    [([3], "seed 3"), ([2, 0], "seeds 0, 2"), (range(20), "seeds 0 to 19"), ([0, 2] * 3, "seeds 0, 2")],
)
def test_seeds_in_words(seeds: list[int], text: str) -> None:
    assert numbers(seeds) == text


def test_seeds_of_another_protocol_are_missed_here() -> None:
    records = [*seeds_of("mamp", 0, 1, 2, protocol="knn"), *seeds_of("mamp", 0, 1)]
    [caution] = cautions(records)
    assert caution == (
        "utd_mhad/xsub linear top1: more seeds were run or asked for than are shown: mamp (shown 0, 1, not 2)"
    )
    assert cautions(records, protocols=["linear"]) == [caution], "also where the other column is not shown"
    assert cautions(records, protocols=["knn"]) == []


def test_other_options_are_other_pretrainings() -> None:
    assert cautions([*seeds_of("mamp", 0), *seeds_of("mamp", 1, config__method__mask_ratio=0.8)]) == []


def test_seeds_that_were_asked_for_and_are_gone_are_missed() -> None:
    """The two worst of five were removed by hand; the commands of the others still say five."""
    kept = seeds_of("mamp", 0, 2, 4, command="sslskel bench --method mamp --seeds 5")
    assert "mamp (shown 0, 2, 4, not 1, 3)" in cautions(kept)[0]


@pytest.mark.parametrize(
    ("command", "seeds"),
    [
        ("sslskel bench --seeds 3 --jobs 2", (0, 1, 2)),
        ("sslskel bench --seeds=4,7", (4, 7)),
        ("sslskel bench --seeds 5,", (5,)),
        ("sslskel bench", ()),
        ("sslskel bench --seeds", ()),
        ("sslskel bench --seeds ''", ()),
        ("sslskel bench --seeds x 'unclosed", ()),
    ],
)
def test_seeds_of_a_command(command: str, seeds: tuple[int, ...]) -> None:
    assert asked_seeds(command) == seeds


def test_a_command_that_asks_for_endless_seeds_costs_nothing() -> None:
    assert len(asked_seeds("sslskel bench --seeds 99999999999")) == 1000


def test_pretrainings_without_a_record_are_named(tmp_path: Path) -> None:
    store, [record, teacher] = ResultStore(tmp_path), [made("mamp", 0.5), made("teacher", 0.5)]
    store.write(
        replace(record, origins=({"kind": "checkpoint", "name": "t", "sha256": "0" * 64, "identity": "d" * 32},))
    )
    for name, identity in (
        ("mamp", record.pretrain_identity),
        ("mamp", "a" * 32),
        ("mamp", "d" * 32),
        ("isc", "b" * 32),
        ("teacher", teacher.pretrain_identity),
    ):
        (tmp_path / "pretrain" / f"{name}-utd_mhad-xsub-s1-{identity[:10]}").mkdir(parents=True)
    (tmp_path / "pretrain" / "mamp-notes").mkdir()
    said = [text for text in board_of(tmp_path).warnings if "without a record" in text]
    assert said == [f"pretrained but without a record in {tmp_path}: mamp-utd_mhad-xsub-s1-aaaaaaaaaa"]


def test_earlier_stages_of_a_shown_row_are_no_results_of_their_own(tmp_path: Path) -> None:
    stages = {"1": {"method": "mamp", "version": 1, "options": "0" * 12, "taken": "weights"}}
    ResultStore(tmp_path).write(made("staged", 0.5, config__stages=stages))
    (tmp_path / "pretrain" / f"mamp-utd_mhad-xsub-s0-{'a' * 10}").mkdir(parents=True)
    assert not any("without a record" in text for text in board_of(tmp_path).warnings)


def test_a_full_board_is_silent() -> None:
    assert cautions([*three("mamp", 0.5, 0.6, 0.7), *three("mamp", 0.5, 0.6, 0.7, protocol="knn")]) == []
