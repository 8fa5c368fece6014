"""One pretraining under its own and the shared evaluation recipes: which they are, and what the page says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sslskel.cli import main
from sslskel.errors import UsageError
from sslskel.grid import recipes
from sslskel.grid.recipes import (
    compare_recipes,
    own_recipes,
    requests_of_recipes,
    shared_recipes,
    with_first_stages,
)
from sslskel.grid.request import GridRequest
from sslskel.leaderboard.formats.recipe_table import BOTH, OWN, SHARED, RecipeRow, own_beside_shared
from sslskel.plugins.registry import METHODS, PROTOCOLS

SMALL = ("train.epochs=1", "train.warmup_epochs=0", "protocol.epochs=2", "protocol.min_steps=0")


def request(benchmark: str, output: Path, *methods: str) -> GridRequest:
    return GridRequest(methods=methods, benchmarks=(benchmark,), output=output, overrides=SMALL)


def test_cards_name_recipes_that_there_are_for_frozen_encoders() -> None:
    for name in METHODS.names():
        for recipe in own_recipes(name):
            assert recipe in PROTOCOLS.names(), name
            assert PROTOCOLS.get(recipe).trains in ("nothing", "head"), name


def test_every_recipe_of_a_family_is_some_methods_own() -> None:
    """One that was written after a paper and that no card names would never be compared."""
    named = {recipe for name in METHODS.names() for recipe in own_recipes(name)}
    recipes = {
        entry.name
        for entry in PROTOCOLS.entries()
        if entry.source == "preset"
        and PROTOCOLS.get(entry.name).trains != "all"
        and PROTOCOLS.preset(entry.name).get("paper")
    }
    assert recipes <= named


def test_a_preset_of_a_method_is_judged_as_its_plugin() -> None:
    assert own_recipes("mamp") == own_recipes("masked_modelling") == ("linear",)
    assert own_recipes("stars") == own_recipes("stars_tuning")


def test_each_own_recipe_meets_each_shared_one_whatever_their_order() -> None:
    kinds = {"a": OWN, "b": BOTH, "c": SHARED, "d": BOTH}
    expected = {("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("d", "c")}
    for names in ("abcd", "bacd", "dcba"):
        rows = [RecipeRow(name, kinds[name], "head", ()) for name in names]
        pairs = [(own.protocol, other.protocol) for own, other in own_beside_shared(rows)]
        turned = {tuple(sorted(pair)) if set(pair) == {"b", "d"} else pair for pair in pairs}
        assert turned == expected
        assert len(pairs) == len(expected)


def test_shared_recipes_are_those_of_protocols_that_say_so() -> None:
    assert shared_recipes() == ("knn", "linear", "logreg")


def test_each_method_is_asked_under_its_own_recipes_first(tmp_path: Path) -> None:
    asked = replace(request("synthetic", tmp_path, "slim", "raw_features"), overrides=("method.mask_ratio=0.5",))
    with pytest.raises(UsageError, match="mask_ratio"):
        requests_of_recipes(asked)
    slim, raw = requests_of_recipes(replace(asked, overrides=("method.prototypes=64", "protocol.k=3")))
    assert slim.protocols == ("linear_slim", "knn_slim", "knn", "linear", "logreg")
    assert raw.protocols == ("knn", "linear", "logreg")
    assert slim.overrides == ("method.prototypes=64", "protocol.k=3")
    assert raw.overrides == ("protocol.k=3",), "an option of another method is not this one's"


def test_the_first_stage_of_a_method_is_judged_beside_it(tmp_path: Path) -> None:
    asked = request("synthetic", tmp_path, "stars", "mamp")
    assert [one.methods for one in requests_of_recipes(asked)] == [("mamp",), ("stars",)]
    assert with_first_stages(("amr", "stars")) == ("amr", "mamp", "stars")


def test_recipes_need_a_method_and_tables_take_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "recipes"]) == 2
    assert "name it with --method" in capsys.readouterr().err
    assert main(["reproduce", "mamp-table8", "--method", "mamp"]) == 2
    assert "the rows of mamp-table8 name their methods" in capsys.readouterr().err


@pytest.mark.long
def test_one_pretraining_is_judged_by_every_recipe(tiny: str, tmp_path: Path) -> None:
    compared = compare_recipes(replace(request(tiny, tmp_path, "raw_features", "amr"), seeds=(0, 1)))
    assert len(list((tmp_path / "pretrain").glob("amr-*"))) == 2
    raw, amr = compared.methods
    whose = {"linear_amr": OWN, "knn": SHARED, "linear": SHARED, "logreg": SHARED}
    assert {row.protocol: row.whose for row in amr.rows} == whose
    pretrainings = [[record.pretrain_identity for record in row.records] for row in amr.rows]
    assert pretrainings == [pretrainings[0]] * 4
    assert [row.width for row in raw.rows] == ["2400"] * 3
    assert [(one.first, one.second) for one in amr.comparisons] == [
        ("linear_amr", "knn"),
        ("linear_amr", "linear"),
        ("linear_amr", "logreg"),
    ]
    assert not compared.failures
    page = compared.markdown()
    assert "On tiny/xsub, preset tiny." in page
    assert "linear_amr, beside linear: lr 0.01 (0.1)" in page


@pytest.mark.long
def test_a_dry_run_names_every_cell_and_writes_nothing(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["reproduce", "recipes", "--method", "raw_features,amr", "--benchmark", tiny, "--seeds", "2"]
    assert main([*words, "--results", str(tmp_path), *SMALL, "--dry-run"]) == 0
    assert "14 of 14 cells to run" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_a_method_that_fails_leaves_the_others_to_run_and_is_named(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipes, "shared_recipes", lambda: ("knn",))
    monkeypatch.setattr(recipes, "own_recipes", lambda method: ())
    bad = ("train.epochs=2", "train.lr=1e30", "train.warmup_epochs=0")
    compared = compare_recipes(replace(request(tiny, tmp_path, "mamp", "raw_features"), overrides=bad))
    assert [(one.method, [row.protocol for row in one.rows]) for one in compared.methods] == [("raw_features", ["knn"])]
    [failure] = compared.failures
    assert failure.startswith("mamp on tiny/xsub, seed 0, knn: ")
    assert "Left out:" in compared.markdown()


def test_recipes_are_compared_on_one_benchmark(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="on one benchmark"):
        compare_recipes(replace(request("tiny", tmp_path, "mamp"), benchmarks=("tiny", "synthetic")))
