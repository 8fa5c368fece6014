"""A request for a grid survives being written as a command, and says what is wrong with it before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sslskel.cli.command import parse
from sslskel.cli.options import request_of
from sslskel.errors import UsageError
from sslskel.grid.request import GridRequest

NAMES = st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True), min_size=1, max_size=3, unique=True).map(tuple)
NAME = st.none() | st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
VALUE = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
PLACES = st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,8}(/[a-z][a-z0-9_-]{0,8})?", fullmatch=True), min_size=1).map(
    lambda names: tuple(dict.fromkeys(names))
)
OVERRIDE = st.builds("{}.{}={}".format, st.sampled_from(["method", "train", "protocol"]), st.just("key"), VALUE)
FOLDER = st.from_regex(r"/?[\w .=,+-]{0,12}\w", fullmatch=True).filter(lambda text: not text.startswith("-")).map(Path)
REQUESTS = st.builds(
    GridRequest,
    methods=NAMES,
    protocols=NAMES,
    benchmarks=PLACES,
    seeds=st.lists(st.integers(0, 2**31), min_size=1, max_size=4, unique=True).map(tuple),
    output=FOLDER,
    split=NAME,
    backbone=NAME,
    preset=NAME,
    overrides=st.lists(OVERRIDE, max_size=3).map(tuple),
    init=st.none() | FOLDER,
    pretrain_on=NAME,
    variants=st.just(((),)),
    keep_results=st.booleans(),
)


@settings(deadline=None)
@given(REQUESTS)
def test_a_command_of_a_request_asks_for_the_same(request: GridRequest) -> None:
    """Jobs and cluster tasks are handed a command; nothing of a request may be lost on the way."""
    assert request_of(parse(["bench", *request.argv()])) == request


def test_a_request_with_variants_is_one_command_for_each() -> None:
    request = GridRequest(methods=("mamp",), overrides=("a.b=1",), variants=(("c.d=2",), ("c.d=3", "e.f=4")))
    with pytest.raises(ValueError, match="each_variant"):
        request.argv()
    assert [one.argv()[-3:] for one in request.each_variant()] == [
        ["runs", "a.b=1", "c.d=2"],
        ["a.b=1", "c.d=3", "e.f=4"],
    ]


@pytest.mark.parametrize("name", ["methods", "benchmarks", "seeds", "variants"])
def test_a_grid_without_cells_is_refused(name: str) -> None:
    names = {"methods": ("mamp",), name: ()}
    with pytest.raises(UsageError, match=f"without {name}"):
        GridRequest(**names).cells()  # type: ignore[arg-type]


def test_a_benchmark_may_say_its_split() -> None:
    request = GridRequest(
        methods=("random_init",), benchmarks=("nw_ucla", "nw_ucla/xview"), split="xview_clean", protocols=("knn",)
    )
    assert [cell.judged_on for cell in request.cells()] == [("nw_ucla", "xview_clean"), ("nw_ucla", "xview")]
    with pytest.raises(UsageError, match="has no split 'xvew'; did you mean 'xview'"):
        GridRequest(methods=("random_init",), benchmarks=("nw_ucla/xvew",)).cells()
