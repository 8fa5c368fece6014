"""The board is a pure function of the records: what shares a cell, what is bold, what has a mean, what is warned of."""

from __future__ import annotations

import copy
import itertools
import json
import random
import time
from dataclasses import replace
from typing import Any

import pytest
from board_records import STORED, bold_rows, cell_of, labels_of, made, mixed_records, three
from scipy import stats

from sslskel.leaderboard.build import build_board
from sslskel.leaderboard.formats import RENDERERS, render
from sslskel.results.record import RecordError, parse_record


def test_seeds_give_mean_deviation_and_interval() -> None:
    scores = [0.61, 0.64, 0.66]
    cell = cell_of(build_board(three("mamp", *scores)), "mamp")
    assert cell is not None
    assert (cell.seeds, cell.scores) == ((0, 1, 2), tuple(scores))
    assert cell.summary.interval == pytest.approx(
        stats.t.interval(0.95, 2, loc=sum(scores) / 3, scale=stats.sem(scores)), abs=1e-12
    )


@pytest.mark.parametrize("form", sorted(RENDERERS))
def test_shuffled_records_give_the_same_bytes(form: str) -> None:
    records = mixed_records()
    expected = render(build_board(records), form).encode()
    for seed in range(5):
        random.Random(seed).shuffle(records)
        assert render(build_board(iter(records)), form).encode() == expected


@pytest.mark.parametrize(
    "change",
    [
        {"protocol__version": 2},
        {"benchmark__version": 2},
        {"benchmark__fingerprint": "0" * 64},
        {"benchmark__split": "xview"},
        {"protocol__recipe": "mamp (epochs=10)"},
        {"protocol__selection": "validation"},
        {"config__protocol__epochs": 10},
        {"primary": "top5", "scores": {"top1": 0.1, "top5": 0.9}},
    ],
)
def test_what_is_not_comparable_never_shares_a_column(change: dict[str, Any]) -> None:
    board = build_board([*three("mamp", 0.5, 0.5), *three("skeletonmae", 0.6, 0.6, **change)])
    assert len(board.columns) == 2
    assert len({column.title for column in board.columns}) == 2
    assert sum(cell is not None for row in board.rows for cell in row.cells) == 2


def test_options_tell_rows_apart() -> None:
    board = build_board([*three("mamp", 0.5, 0.6), *three("mamp", 0.7, 0.8, config__method__mask_ratio=0.8)])
    assert labels_of(board) == ["mamp (mask_ratio=0.8)", "mamp (mask_ratio=0.9)"]


def test_options_that_shape_no_number_make_no_column_of_their_own() -> None:
    board = build_board(
        [made(seed=seed, config__protocol={"k": 1, "block": block}) for seed, block in enumerate((64, 128))]
    )
    assert len(board.columns) == 1
    assert board.rows[0].cells[0].summary.n == 2


def test_options_of_the_same_name_keep_their_group() -> None:
    board = build_board(
        [
            *three("mamp", 0.5),
            *three("mamp", 0.6, config__method__heads=8),
            *three("mamp", 0.7, config__backbone__heads=8),
        ]
    )
    assert labels_of(board) == [
        "mamp (backbone.heads=8)",
        "mamp (backbone.heads=4, method.heads=8)",
        "mamp (backbone.heads=4)",
    ]


def test_many_options_stay_short_and_different() -> None:
    changes = [{f"config__method__option_{i}": value for i in range(9)} for value in (1, 2)]
    board = build_board([record for change in changes for record in three("mamp", 0.5, **change)])
    assert all("5 more options" in label for label in labels_of(board))
    assert len(set(labels_of(board))) == 2


def test_versions_and_foreign_pretraining_tell_rows_apart() -> None:
    seen = [{"dataset": "hdm05", "fingerprint": "1" * 64, "split": "xsub", "part": "train", "clips": 9}]
    board = build_board([*three("mamp", 0.3), *three("mamp", 0.4, method__version=2), *three("mamp", 0.5, seen=seen)])
    assert labels_of(board) == [
        "mamp (version 1, pretrained on hdm05/xsub/train)",
        "mamp (version 2)",
        "mamp (version 1)",
    ]
    assert not any(cell.leak for row in board.rows for cell in row.cells if cell)


def test_what_shapes_no_number_does_not_split_a_row() -> None:
    board = build_board(
        [
            made("mamp", 0.5, 0),
            made("mamp", 0.6, 1, config__engine__device="cuda"),
            made("mamp", 0.7, 2, config__train__checkpoint_epochs=5),
            made("random_init", 0.1, 0, seen=[]),
            made("random_init", 0.1, 1, seen=[], config__train__epochs=3),
        ]
    )
    assert [len(row.cells[0].seeds) for row in board.rows if row.cells[0]] == [3, 2]


@pytest.mark.parametrize(("split", "part"), [("xsub", "test"), ("xview", "train"), ("xsub", "all")])
def test_test_clips_seen_in_pretraining_are_marked_and_never_bold(split: str, part: str) -> None:
    seen = [{**STORED["seen"][0], "split": split, "part": part}]
    board = build_board(
        [
            *three("cheat", 0.99, 0.991, 0.992, seen=seen),
            *three("mamp", 0.80, 0.81, 0.82),
            *three("random_init", 0.3, 0.31, 0.32, seen=[]),
        ]
    )
    label = f"cheat (pretrained on utd_mhad/{split}/{part})"
    cell = cell_of(board, label)
    assert cell is not None
    assert cell.leak
    assert bold_rows(board) == ["mamp"]
    assert any("marked †" in warning and label in warning for warning in board.warnings)
    assert not any("cheat" in finding for finding in board.findings)
    assert "†" in render(board, "markdown")


UNKNOWN = {"kind": "file", "name": "teacher.npy", "sha256": "0" * 64}


@pytest.mark.parametrize(
    "changes",
    [
        {"method__plugin": "released", "seen": []},
        {"method__plugin": "declared"},
        {"origins": [UNKNOWN]},
        {"origins": [{**UNKNOWN, "saw": [], "declared": True}]},
    ],
)
def test_encoders_that_nothing_is_proven_of_bear_a_mark_and_rank_nothing(changes: dict[str, Any]) -> None:
    board = build_board(
        [
            *three("stranger", 0.99, 0.991, 0.992, **changes),
            *three("mamp", 0.80, 0.81, 0.82),
            *three("random_init", 0.3, 0.31, 0.32, seen=[]),
        ]
    )
    [row] = [row for row in board.rows if row.key.method == "stranger"]
    assert row.cells[0] is not None
    assert (row.cells[0].unproven, row.cells[0].leak, row.cells[0].bold) == (True, False, False)
    assert bold_rows(board) == ["mamp"]
    assert not any("stranger" in finding for finding in board.findings)
    assert any("marked ‡" in warning and "stranger" in warning for warning in board.warnings)
    for form, mark in {"markdown": " ‡ ", "latex": r"$\ddagger$", "html": "(3) ‡ ["}.items():
        assert mark in render(board, form), form
    assert "(3) ‡" in render(board, "csv")


def test_boards_without_strangers_have_no_second_mark() -> None:
    board = build_board([*three("mamp", 0.8, 0.81, 0.82), *three("random_init", 0.3, seen=[])])
    assert "‡" not in render(board, "markdown")


def test_the_same_seed_twice_is_never_averaged() -> None:
    records = [*three("mamp", 0.5, 0.6), made("mamp", 0.9, 1, weights_sha256="0" * 64)]
    board = build_board([*records, *three("mamp", 0.4, protocol="knn")])
    assert cell_of(board, "mamp", 0) is None
    assert cell_of(board, "mamp", 1) is not None
    warning = board.warnings[0]
    assert "seed 1 was run more than once" in warning
    assert "weights_sha256" in warning
    assert records[1].identity in warning
    assert records[2].identity in warning


def test_different_pretrainings_that_were_judged_with_one_seed_are_two() -> None:
    records = [made("mamp", score, 0, weights_sha256=str(seed) * 64) for seed, score in ((0, 0.5), (1, 0.6))]
    told = [replace(record, pretrain_seed=seed or None) for seed, record in enumerate(records)]
    cell = cell_of(build_board(told), "mamp")
    assert cell is not None
    assert (cell.seeds, cell.scores) == ((0, 1), (0.5, 0.6))


def test_copies_of_a_record_count_once_and_disagreement_is_said() -> None:
    record = made("mamp", 0.5)
    assert build_board([record, record]) == build_board([record])
    other = parse_record(record.to_json().replace('"top1": 0.5', '"top1": 0.6').replace("2026-", "2027-"))
    board = build_board([other, record])
    cell = cell_of(board, "mamp")
    assert cell is not None
    assert cell.scores == (0.5,)
    assert "different scores" in board.warnings[0]


def test_rank_follows_the_first_column_missing_last() -> None:
    board = build_board(
        [
            *three("b", 0.5),
            *three("a", 0.5),
            *three("c", 0.4),
            *three("d", 0.9, protocol="knn"),
        ]
    )
    assert [(row.label, row.rank) for row in board.rows] == [("a", 1), ("b", 1), ("c", 3), ("d", None)]


def test_columns_put_trained_heads_first_or_follow_the_order_asked_for() -> None:
    records = [*three("mamp", 0.5), *three("mamp", 0.4, protocol="knn"), *three("mamp", 0.4, benchmark__name="a")]
    names = [(c.benchmark, c.protocol) for c in build_board(records).columns]
    assert names == [("a", "linear"), ("utd_mhad", "linear"), ("utd_mhad", "knn")]
    asked = build_board(records, benchmarks=["utd_mhad"], protocols=["knn", "linear"])
    assert [(c.benchmark, c.protocol) for c in asked.columns] == [("utd_mhad", "knn"), ("utd_mhad", "linear")]


def test_no_records_make_an_empty_board() -> None:
    board = build_board([])
    assert board.rows == ()
    assert "no records yet" in render(board, "table")
    assert "no records yet" in render(board, "markdown")
    assert render(board, "csv") == ""
    assert json.loads(render(board, "json"))["rows"] == []


ODD = [None, True, False, 0, -1, 1.5, 10**30, "", "x", "\n|<b>", [], {}, [[1]], {"a": {"b": None}}, 1e308, "\ud800"]


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [path, *(place for name, value in inner for place in places(value, (*path, name)))]


def test_whatever_a_record_holds_it_is_refused_or_shown() -> None:
    shown, refused = 0, 0
    for (*parents, last), odd in itertools.product((path for path in places(STORED) if path), ODD):
        content = copy.deepcopy(STORED)
        part = content
        for parent in parents:
            part = part[parent]
        part[last] = odd
        try:
            record = parse_record(json.dumps(content))
        except RecordError:
            refused += 1
            continue
        shown += 1
        board = build_board([record, made("other", 0.4)])
        for form in RENDERERS:
            render(board, form).encode("utf-8")
    assert min(shown, refused) > 300


def test_two_thousand_records_take_seconds() -> None:
    records = [
        made(f"method_{i % 40}", (i % 97) / 97, i % 5, ("linear", "knn")[i // 5 % 2], config__method__tau=i // 200)
        for i in range(2000)
    ]
    start = time.process_time()
    board = build_board(records)
    for form in RENDERERS:
        render(board, form)
    assert time.process_time() - start < 10
    assert len(board.rows) > 100
