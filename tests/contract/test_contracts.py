"""The contracts hold for everything that is registered, one test per plugin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sslskel.checks import CheckResult, check_backbone, check_dataset, check_method, check_protocol
from sslskel.plugins.registry import BACKBONES, BENCHMARKS, METHODS, PROTOCOLS, Registry


def built_in(registry: Registry) -> list[str]:
    """Names that come with sslskel: what else is installed here is not ours to test."""
    return [entry.name for entry in registry.entries() if entry.source in ("built-in", "preset")]


def require_no_fault(results: list[CheckResult]) -> None:
    assert results
    failed = [f"{result.name}: {result.detail}" for result in results if result.failed]
    assert not failed, "\n".join(failed)


SLOW = ("aimclr", "crossclr", "isc")
"""Several graph networks a step; the other contrastive methods stand for them where time is short."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name in SLOW)) for name in built_in(METHODS)]
)
def test_method_keeps_its_contract(name: str) -> None:
    results = check_method(name)
    require_no_fault(results)
    declared = METHODS.get(name).expected_failed_checks
    idle = [r.name for r in results if r.name in declared and r.passed]
    assert not idle, f"{name} declares failures it does not have: {idle}"


@pytest.mark.parametrize("name", built_in(BACKBONES))
def test_backbone_keeps_its_contract(name: str) -> None:
    require_no_fault(check_backbone(name))


def protocols() -> Iterator[Any]:
    """All of them; what configures, repeats or wraps another one's training is for the full run."""
    for name in built_in(PROTOCOLS):
        again = name in ("transfer", "semi", "occlusion") or PROTOCOLS.entry(name).source == "preset"
        yield pytest.param(name, marks=pytest.mark.long) if again else name


@pytest.mark.parametrize("name", [*protocols()])
def test_protocol_keeps_its_contract(name: str) -> None:
    require_no_fault(check_protocol(name))


def embedded() -> list[str]:
    return [name for name in built_in(BENCHMARKS) if BENCHMARKS.get(name).embedded]


@pytest.mark.parametrize("name", embedded())
def test_embedded_benchmark_keeps_its_contract(name: str, data_folder: Path) -> None:
    require_no_fault(check_dataset(name, root=data_folder))


def test_something_of_each_kind_is_registered() -> None:
    assert {"mamp", "skeletonmae", "random_init", "raw_features"} <= set(built_in(METHODS))
    assert "transformer" in built_in(BACKBONES)
    assert {"linear", "knn", "finetune", "semi", "transfer", "retrieval", "few_shot", "cluster"} <= set(
        built_in(PROTOCOLS)
    )
    assert {"occlusion", "motion_prediction", "detection"} <= set(built_in(PROTOCOLS))
