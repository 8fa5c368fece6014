"""A method is one row on a board of several benchmarks, whatever these ask for themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from board_records import STORED, made

from sslskel.grid.request import GridRequest
from sslskel.leaderboard.build import build_board
from sslskel.leaderboard.imposed import EACH_OWN
from sslskel.plugins.registry import METHODS
from sslskel.results.record import Record


def on(benchmark: str, centre: str, method: str = "mamp", **changes: Any) -> Record:
    seen = [STORED["seen"][0] | {"dataset": benchmark, "split": "xsub", "fingerprint": benchmark}]
    where = {"benchmark__name": benchmark, "benchmark__split": "xsub", "benchmark__fingerprint": benchmark}
    return made(method, seen=seen, config__clip__centre=centre, **where, **changes)


def test_what_benchmarks_ask_for_makes_no_row() -> None:
    """The recipe of utd_mhad says clip.centre=first, that of synthetic leaves it stored."""
    board = build_board([on("synthetic", "stored"), on("utd_mhad", "first")])
    [row] = board.rows
    assert row.label == "mamp"
    assert None not in row.cells
    assert row.means == (0.5,)


def test_what_a_user_chose_does() -> None:
    board = build_board([on("synthetic", "stored"), on("utd_mhad", "first"), on("utd_mhad", "sized")])
    assert {row.label for row in board.rows} == {"mamp", "mamp (centre=sized)"}


def test_a_board_of_one_benchmark_shows_its_options() -> None:
    board = build_board([on("utd_mhad", "first")])
    assert '"centre":"first"' in board.rows[0].key.config


def test_an_unknown_benchmark_asks_for_nothing() -> None:
    board = build_board([on("synthetic", "stored"), on("nobody_s", "stored"), on("nobody_s", "first")])
    assert {len(row.cells) for row in board.rows} == {2}
    assert len(board.rows) == 2


def released(benchmark: str, depth: int, tau: float, **changes: Any) -> Record:
    options = {"config__method__decoder_depth": depth, "config__method__tau": tau}
    return on(benchmark, "stored", preset="released", **options, **changes)


def test_what_a_preset_has_for_a_dataset_makes_no_row() -> None:
    """MAMP has three decoder blocks on NTU RGB+D 60 and five on 120, as its scripts have it."""
    board = build_board([released("ntu60", 3, 0.8), released("ntu120", 5, 0.75), released("pku_mmd1", 5, 0.8)])
    [row] = board.rows
    assert row.label == "mamp"
    assert None not in row.cells


def test_what_a_user_chose_beside_a_preset_does() -> None:
    board = build_board([released("ntu60", 3, 0.8), released("ntu120", 5, 0.75), released("ntu120", 3, 0.75)])
    assert {row.label for row in board.rows} == {"mamp", "mamp (decoder_depth=3)"}


def test_other_presets_and_methods_are_told_apart_as_before() -> None:
    cpu = [on(name, "stored", config__method__decoder_depth=depth) for name, depth in (("ntu60", 3), ("ntu120", 5))]
    assert len(build_board(cpu).rows) == 2
    unknown = [released(name, depth, 0.8, method="mine") for name, depth in (("ntu60", 3), ("ntu120", 5))]
    assert len(build_board(unknown).rows) == 2


def by_default(method: str, benchmark: str, *overrides: str, preset: str | None = None, seed: int = 0) -> Record:
    """A record with the configuration that a run has which chooses no more than that."""
    asked = GridRequest(methods=(method,), benchmarks=(benchmark,), preset=preset, overrides=overrides)
    [cell] = asked.cells()
    config = {**cell.resolved.plain(), "protocol": STORED["config"]["protocol"]}
    plugin = METHODS.get(method)
    backbone = {**STORED["backbone"], "name": cell.backbone if plugin.uses_backbone else "none"}
    made_on = on(benchmark, config["clip"]["centre"], method, config=config, preset=cell.preset, backbone=backbone)
    return replace(made_on, seed=seed, seen=made_on.seen if plugin.trains else ())


def cells_of(records: list[Record]) -> dict[tuple[str, str], list[bool]]:
    """By label and preset in which columns a row has a number."""
    return {(row.label, row.key.preset): [cell is not None for cell in row.cells] for row in build_board(records).rows}


PLACES = ("synthetic", "utd_mhad", "hdm05_11")
"""The presets of these benchmarks themselves are quick, cpu and cpu."""


def test_presets_of_the_benchmarks_themselves_make_no_row() -> None:
    records = [by_default(method, place) for method in ("mamp", "random_init", "raw_features") for place in PLACES]
    assert len({record.preset for record in records}) == 2
    board = build_board(records)
    assert cells_of(records) == {(name, EACH_OWN): [True] * 3 for name in ("mamp", "random_init", "raw_features")}
    assert all(None not in row.means for row in board.rows)
    assert f"preset {EACH_OWN}: hdm05_11 cpu, synthetic quick, utd_mhad cpu" in board.notes


def test_options_that_a_user_chose_beside_them_make_one() -> None:
    chosen = [by_default("mamp", place, "method.mask_ratio=0.5") for place in PLACES]
    records = [by_default("mamp", place) for place in PLACES]
    assert cells_of([*records, *chosen]) == {
        ("mamp", EACH_OWN): [True] * 3,
        ("mamp (mask_ratio=0.5)", EACH_OWN): [True] * 3,
    }


def test_a_preset_on_all_benchmarks_was_chosen() -> None:
    every = [by_default("mamp", place, preset="cpu") for place in PLACES]
    assert cells_of(every) == {("mamp", "cpu"): [True] * 3}
    more = [*every, by_default("mamp", "synthetic")]
    assert cells_of(more) == {("mamp", "cpu"): [True] * 3, ("mamp", "quick"): [False, True, False]}
    longer = [by_default("mamp", place) for place in PLACES] + [by_default("mamp", "utd_mhad", preset="cpu-200")]
    assert cells_of(longer) == {("mamp", EACH_OWN): [True] * 3, ("mamp", "cpu-200"): [False, False, True]}


def test_an_unknown_method_keeps_its_presets() -> None:
    strange = [on("synthetic", "stored", "nobody_s", preset="quick"), on("utd_mhad", "first", "nobody_s", preset="cpu")]
    assert {preset for _, preset in cells_of(strange)} == {"quick", "cpu"}
