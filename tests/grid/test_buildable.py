"""What cannot run is refused before any work, and what several protocols judge is built once for the check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sslskel.data.prepare import open_benchmark
from sslskel.errors import UsageError
from sslskel.grid import buildable
from sslskel.grid.buildable import check_each, count_weights
from sslskel.grid.request import GridRequest
from sslskel.plugins.registry import BENCHMARKS


def request(method: str, *overrides: str, **changes: Any) -> GridRequest:
    base = GridRequest(methods=(method,), protocols=("knn",), benchmarks=("tiny",), overrides=overrides)
    return replace(base, **changes)


def check(asked: GridRequest) -> None:
    names = {cell.judged_on[0] for cell in asked.cells()} | {cell.benchmark for cell in asked.cells()}
    check_each(asked.cells(), {name: open_benchmark(BENCHMARKS.get(name)) for name in names})


@pytest.mark.usefixtures("tiny")
def test_what_cannot_run_is_refused() -> None:
    with pytest.raises(UsageError, match=r"train\.accumulate=2 cannot be used with SkeletonCLR, whose clips"):
        check(request("skeletonclr", "train.accumulate=2"))
    with pytest.raises(UsageError, match=r"needs tokens, which the joint encoder of 'raw_features'"):
        check(request("raw_features", protocols=("knn", "finetune")))


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("dim", [2**36, 2**60])
def test_weights_beyond_the_memory_are_refused(dim: int) -> None:
    """A tensor larger than the machine, and one larger than any."""
    with pytest.raises(UsageError, match="weights of 'mamp' with these options need more memory than this machine has"):
        check(request("mamp", f"backbone.dim={dim}"))


@pytest.mark.usefixtures("tiny")
def test_one_build_serves_all_protocols_and_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    build: Callable[..., Any] = buildable.build_method
    built = []

    def counted(method: str, *parts: Any) -> Any:
        built.append(method)
        return build(method, *parts)

    monkeypatch.setattr(buildable, "build_method", counted)
    check(request("mamp", methods=("mamp", "random_init"), protocols=("knn", "linear", "finetune"), seeds=(0, 1)))
    assert built == ["mamp", "random_init"]


@pytest.mark.usefixtures("tiny")
def test_weights_are_counted_frozen_ones_too() -> None:
    dataset = open_benchmark(BENCHMARKS.get("tiny"))
    [online] = request("masked_modelling").cells()
    assert count_weights(online, dataset) > 0
    small, large = (request("random_init", f"backbone.depth={depth}").cells()[0] for depth in (1, 2))
    one, two = count_weights(small, dataset), count_weights(large, dataset)
    assert 0 < one < two < 2 * one
