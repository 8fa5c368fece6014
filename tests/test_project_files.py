"""What stands beside the code says what the code says: versions, pins, Python releases."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml

from sslskel.version import __version__

ROOT = Path(__file__).resolve().parents[1]


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def pin(package: str) -> str:
    [line] = re.findall(rf"^{package}==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    return str(line)


def test_the_citation_is_of_this_version_and_licence() -> None:
    citation = read("CITATION.cff")
    assert citation["version"] == __version__
    assert f'license = "{citation["license"]}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f"version = {{{__version__}}}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_hooks_before_a_commit_are_of_the_pinned_release() -> None:
    [ruff] = [one for one in read(".pre-commit-config.yaml")["repos"] if one["repo"].endswith("ruff-pre-commit")]
    assert ruff["rev"] == f"v{pin('ruff')}"


def test_the_workflow_runs_the_checks_on_releases_of_python_that_are_stated() -> None:
    jobs = read(".github/workflows/checks.yml")["jobs"]
    stated = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    tried = jobs["run"]["strategy"]["matrix"]["python"]
    assert {tried[0], tried[-1]} == {stated[0], stated[-1]}
    assert any(step.get("run") == ".ci/run" for step in jobs["run"]["steps"])
    assert f'requires-python = ">={stated[0]}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_forms_for_issues_ask_for_something() -> None:
    for form in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        content = read(str(form.relative_to(ROOT)))
        assert content["name"]
        assert any(one.get("validations", {}).get("required") for one in content["body"]), form.name


@pytest.mark.parametrize("kind", [DeprecationWarning, PendingDeprecationWarning, FutureWarning])
def test_what_is_deprecated_fails(kind: type[Warning]) -> None:
    with pytest.raises(kind, match="goes"):
        warnings.warn("this goes", kind, stacklevel=1)
