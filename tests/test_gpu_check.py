"""The check of a GPU: one section's failure leaves the others, and the whole of it runs on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "scripts" / "gpu_check"


@pytest.fixture
def sections(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(FOLDER))
    import sections

    yield sections
    del sys.modules["sections"]


def test_a_section_that_fails_leaves_the_others(sections: Any, tmp_path: Path) -> None:
    pages: list[str] = []

    def facts(settings: Any, seconds: float) -> dict[str, Any]:
        return {"mamp": {"waits": 2, "far": 0.125}, "share": seconds}

    def raises(settings: Any, seconds: float) -> dict[str, Any]:
        pages.append((tmp_path / "gpu-check.md").read_text())
        raise ValueError("no such kernel")

    def wrong(settings: Any, seconds: float) -> dict[str, Any]:
        pages.append((tmp_path / "gpu-check.md").read_text())
        return sections.checked(["loss is 0.1 apart"], {"far": 0.1})  # type: ignore[no-any-return]

    works = [sections.Section(name, work) for name, work in (("a", facts), ("b", raises), ("c", wrong), ("d", facts))]
    assert sections.run_sections(works, sections.Settings("cpu", True, 60.0), tmp_path) == 1
    said = json.loads((tmp_path / "gpu-check.json").read_text())
    assert [one["state"] for one in said["sections"]] == ["passed", "failed", "failed", "passed"]
    assert said["sections"][1]["faults"] == ["ValueError: no such kernel"]
    assert "in raises" in said["sections"][1]["trace"]
    assert said["sections"][2]["facts"] == {"far": 0.1}
    assert said["sections"][3]["facts"]["share"] == pytest.approx(6.0)
    # What there was when the second and the third began.
    assert ["| a | passed |" in page for page in pages] == [True, True]
    assert ["| b | failed |" in page for page in pages] == [False, True]
    page = (tmp_path / "gpu-check.md").read_text()
    assert "- **loss is 0.1 apart**" in page
    assert "- mamp\n  - waits: 2\n  - far: 0.125" in page
    assert "no GPU: " in page


def test_a_distance_that_is_no_number_is_the_largest(sections: Any) -> None:
    from cases import apart  # the fixture puts its folder on the path

    ours = {"a": torch.ones(2), "b": torch.tensor([1.0, torch.nan]), "c": torch.zeros(3)}
    assert apart(ours, {"a": torch.ones(2), "b": torch.ones(2)}) == (float("inf"), "b")
    assert apart(ours, {"a": torch.ones(2), "c": torch.zeros(2)}) == (float("inf"), "c")


def test_what_is_not_begun_in_time_is_said(sections: Any, tmp_path: Path) -> None:
    work = sections.Section("late", lambda *_: {})
    assert sections.run_sections([work], sections.Settings("cpu", True, -1.0), tmp_path) == 1
    [said] = json.loads((tmp_path / "gpu-check.json").read_text())["sections"]
    assert said["state"] == "not run"
    assert sections.run_sections([work], sections.Settings("cpu", True, 60.0), tmp_path) == 0


@pytest.mark.long
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--device", "cuda:99"), "there is no device 'cuda:99' on this machine"),
        (("--device", "cpu", "--only", "fats"), "no section's name has 'fats'; there are: facts and kernels, "),
    ],
)
def test_what_cannot_be_checked_is_one_sentence(words: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    command = [sys.executable, str(FOLDER), *words, "--output", str(tmp_path / "new")]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 2
    assert sentence in done.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.long
def test_all_sections_run_on_the_cpu(tmp_path: Path) -> None:
    words = ["--device", "cpu", "--small", "--minutes", "30", "--output", str(tmp_path)]
    done = subprocess.run([sys.executable, str(FOLDER), *words], capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads((tmp_path / "gpu-check.json").read_text())
    assert len(said["sections"]) == 11
    by_name = {one["name"]: one["facts"] for one in said["sections"]}
    assert by_name["equality with the CPU"]["mamp"]["fp64"]["weights"] == 0
    assert by_name["the same twice"]["mamp"]["that differ"] == 0
    assert by_name["keyed noise"] == {"compared": 72, "fused": False}
    assert by_name["waits for the device"]["mamp"] == {}
    assert by_name["steps against as_released"]["exact"]["equal"]
    assert {"exact", "present", "bf16"} <= set(by_name["steps against as_released"])
