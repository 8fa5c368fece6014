"""Evaluation recipes in words, and the page of several: every recipe that there is, whose it is, what it changes."""

from __future__ import annotations

from typing import Any

import pytest
from board_records import three

from sslskel.config.compose import from_plain, to_plain
from sslskel.leaderboard.build import build_board
from sslskel.leaderboard.formats.recipe_table import BOTH, OWN, SHARED, MethodRecipes, RecipeRow, recipe_page
from sslskel.leaderboard.recipe_words import ASPECTS, other_options, recipe_words
from sslskel.plugins.registry import PROTOCOLS
from sslskel.results.record import Record


def options(name: str) -> dict[str, Any]:
    """All options of a protocol or a preset of one."""
    config = PROTOCOLS.get(name).Config
    return to_plain(from_plain(config, PROTOCOLS.preset(name).get("config", {}), name))


def words(name: str) -> dict[str, str]:
    return recipe_words(options(name), PROTOCOLS.get(name).trains)


def test_a_head_is_said_by_what_it_reads_and_how_it_is_trained() -> None:
    assert words("linear_macdiff") == {
        "features": "level joints, normalised by the batch",
        "views": "a new augmented view every epoch",
        "optimiser": "SGD, rate 0.1, batches of 256",
        "steps": "100 epochs, at least 4,000 steps, cosine rate",
        "selection": "the last epoch",
    }
    assert words("linear_gl_transformer")["features"] == "the encoder's feature, values dropped in training"
    assert words("linear_crossclr")["views"] == "the test view"
    assert words("linear_crossclr")["steps"].endswith("rate x 0.1 after 81")
    assert words("linear_slim")["optimiser"] == "SGD, 13 rates from 2.5e-06 to 0.025, batches of 64"
    assert words("linear_slim")["selection"] == "the last epoch, rate and level by held-out clips"
    assert words("linear_slim")["features"].startswith("one of 4: the encoder's feature; level token_and_mean; ")
    assert words("linear_grid")["selection"] == "the last epoch, the rate by held-out clips"


def test_neighbours_and_a_convex_problem_are_said_too() -> None:
    assert words("knn")["optimiser"] == "1 nearest neighbour"
    assert words("knn_slim")["optimiser"] == "10 nearest neighbours, weighted by similarity at 0.07"
    assert words("knn_slim")["features"] == "level token_and_mean"
    assert words("logreg")["optimiser"] == "solved to the end"
    assert words("logreg")["selection"] == "C by held-out clips"


def test_every_protocol_can_be_said() -> None:
    for name in PROTOCOLS.names():
        said = words(name)
        assert tuple(said) == ASPECTS
        assert all(said.values())


def test_options_that_differ_are_named_with_both_values() -> None:
    assert other_options(options("linear_amr"), options("linear")) == ("lr 0.01 (0.1)",)
    assert other_options({"norm": False, "encode_batch": 3}, {"norm": True}) == ("norm false (true)",)
    assert other_options({"level": "joints"}, {}) == ("level joints (not there)",)


def row(protocol: str, whose: str, *scores: float, method: str = "m", **changes: Any) -> RecipeRow:
    records: list[Record] = three(method, *scores, protocol=protocol, **changes)
    return RecipeRow(protocol, whose, PROTOCOLS.get(protocol).trains, records, "64")


def page(*methods: MethodRecipes) -> str:
    return recipe_page(methods, (), build_board([r for one in methods for rows in one.rows for r in rows.records]))


def test_the_page_says_how_far_recipes_are_apart_and_how_methods_are_ordered() -> None:
    first = MethodRecipes("one", "A, 2020", [row("linear_amr", OWN, 0.8, 0.9), row("knn", SHARED, 0.5, 0.5)])
    second = MethodRecipes(
        "two", "", [row("knn", BOTH, 0.6, 0.6, method="n")], ["knn and linear are not compared: why"]
    )
    text = page(first, second)
    assert "- the same encoders score from 50.0 (knn) to 85.0 (linear_amr): 35.0 points between recipes" in text
    assert "| linear_amr | its own | 64 |" in text
    assert "| top1 | 85.0 ± 7.1 (2) |" in text
    assert "- under knn: two 60.0 \\> one 50.0" in text
    assert "- each under its own recipe: one 85.0 \\> two 60.0" in text
    assert "why" in text
    assert "under linear_amr" not in text, "one method alone has that recipe"


def test_the_best_test_epoch_is_shown_where_records_hold_it() -> None:
    bare = MethodRecipes("one", "", [row("linear", SHARED, 0.5)])
    assert "chosen on test" not in page(bare).partition("Made:")[0]
    best = row("linear", SHARED, 0.5, details={"best_test_epoch": {"top1": 0.75}})
    text = page(MethodRecipes("one", "", [best, row("knn", SHARED, 0.4)])).partition("Made:")[0]
    assert "| top1 | 50.0 (1) | 75.0 (1) epoch |" in text
    assert "| top1 | 40.0 (1) | - |" in text


@pytest.mark.parametrize("name", ["a|b", "<script>", "# h", "x\n| y |"])
def test_names_of_others_mean_nothing_to_markdown(name: str) -> None:
    text = page(MethodRecipes(name, name, [row("knn", SHARED, 0.5)]))
    assert "<script>" not in text
    assert not [line for line in text.splitlines() if line.startswith(("# h", "| y"))]
