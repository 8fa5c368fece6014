"""``docs/gpu.md`` is what ``scripts/pages/gpu.py`` makes of the counts that tests hold."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "pages" / "gpu.py"))


def test_the_page_is_what_the_files_say(script: dict[str, Any]) -> None:
    assert script["PAGE"].read_text(encoding="utf-8") == script["page"](), "run `python scripts/pages/gpu.py`"


def test_the_page_says_that_nothing_ran_on_a_gpu(script: dict[str, Any]) -> None:
    assert "**Nothing of this project has run on a GPU.**" in script["page"]()
