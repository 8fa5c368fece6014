"""Combinations of option values, in Hydra's grammar, and the errors of what is none."""

from __future__ import annotations

import pytest

from sslskel.config.grammar import combinations
from sslskel.errors import UsageError


def test_every_combination_once_and_lists_that_are_values_stay() -> None:
    variants = combinations(["train.lr=1e-3,5e-4", "train.milestones=[1,2]", "train.epochs=range(1,3)"])
    assert variants == [
        [f"train.lr={rate}", "train.milestones=[1,2]", f"train.epochs={epochs}"]
        for rate in ("0.001", "0.0005")
        for epochs in (1, 2)
    ]
    assert combinations([]) == [[]]
    assert combinations(["a.b=choice(x,y)"]) == [["a.b=x"], ["a.b=y"]]


@pytest.mark.parametrize("word", ["train.lr=interval(0,1)", "train.lr=(", "train.epochs=range(0,100000)"])
def test_what_gives_no_list_is_one_sentence(word: str) -> None:
    with pytest.raises(UsageError, match=r"gives no list of values|combinations are asked for"):
        combinations([word])
