"""The contracts hold for everything that is registered, one test per plugin and check."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sslskel.checks import CheckResult, PluginCheck, backbone_checks, method_checks, parametrize_with_checks
from sslskel.errors import UsageError
from sslskel.plugins.registry import BACKBONES, BENCHMARKS, METHODS, PROTOCOLS, Registry


def built_in(registry: Registry) -> list[str]:
    """Names that come with sslskel: what else is installed here is not ours to test."""
    return [entry.name for entry in registry.entries() if entry.source in ("built-in", "preset")]


def split(names: list[str], listed: list[str]) -> tuple[list[str], list[str]]:
    """Names that are not listed, and those that are."""
    return [name for name in names if name not in listed], [name for name in names if name in listed]


FOR_ALL = ["mamp", "skeletonclr", "pcm3", "random_init", "raw_features", "aligned_features"]
"""Methods of each kind that stand for the others where time is short."""
AGAIN = [name for name in built_in(PROTOCOLS) if PROTOCOLS.entry(name).source == "preset"]
AGAIN += ["transfer", "semi", "occlusion"]
"""They configure, repeat or wrap another protocol's training."""
OTHER_METHODS, QUICK_METHODS = split(built_in(METHODS), FOR_ALL)
QUICK_PROTOCOLS, OTHER_PROTOCOLS = split(built_in(PROTOCOLS), AGAIN)
EMBEDDED = [name for name in built_in(BENCHMARKS) if BENCHMARKS.get(name).embedded]


def require_no_idle_declaration(check: PluginCheck, result: CheckResult) -> None:
    assert result.name not in METHODS.get(str(check.plugin)).expected_failed_checks, f"{check} is declared to fail"


@parametrize_with_checks(QUICK_METHODS)
def test_method(check: PluginCheck) -> None:
    require_no_idle_declaration(check, check())


@pytest.mark.long
@parametrize_with_checks(OTHER_METHODS)
def test_other_method(check: PluginCheck) -> None:
    require_no_idle_declaration(check, check())


@parametrize_with_checks(built_in(BACKBONES), kind="backbone")
def test_backbone(check: PluginCheck) -> None:
    check()


@parametrize_with_checks(QUICK_PROTOCOLS, kind="protocol")
def test_protocol(check: PluginCheck) -> None:
    check()


@pytest.mark.long
@parametrize_with_checks(OTHER_PROTOCOLS, kind="protocol")
def test_other_protocol(check: PluginCheck) -> None:
    check()


@pytest.mark.long
@parametrize_with_checks(EMBEDDED, kind="dataset")
def test_embedded_benchmark(check: PluginCheck, data_folder: Path) -> None:
    check(root=data_folder)


def test_something_of_each_kind_is_registered() -> None:
    assert {"mamp", "skeletonmae", "random_init", "raw_features"} <= set(built_in(METHODS))
    assert "transformer" in built_in(BACKBONES)
    assert {"linear", "knn", "finetune", "semi", "transfer", "retrieval", "few_shot", "cluster"} <= set(
        built_in(PROTOCOLS)
    )
    assert {"occlusion", "motion_prediction", "detection"} <= set(built_in(PROTOCOLS))


def test_a_plugin_is_an_item_for_each_check() -> None:
    mark = parametrize_with_checks(["mamp", "cmd"])
    names = [str(check) for check in mark.args[1]]
    assert len(names) == len(set(names)) == 2 * (len(method_checks()) + 1)
    assert f"cmd-{next(iter(method_checks()))}" in names
    assert len(parametrize_with_checks([object], kind="backbone").args[1]) == len(backbone_checks()) + 1
    with pytest.raises(UsageError, match="did you mean 'method'"):
        parametrize_with_checks(["mamp"], kind="methods")


def test_a_check_passes_fails_or_skips_its_item() -> None:
    assert PluginCheck("method", "raw_features", "expected_failed_checks_exist")().passed
    with pytest.raises(pytest.skip.Exception, match="does not train"):
        PluginCheck("method", "raw_features", "loss_falls")()
    with pytest.raises(AssertionError, match="object-builds_from_defaults: "):
        PluginCheck("backbone", object, "builds_from_defaults")()


def test_pytest_is_loaded_by_the_decorator_alone() -> None:
    script = "import sys, sslskel.checks; assert 'pytest' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)
