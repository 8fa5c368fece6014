"""The pages of docs/api are what ``scripts/pages/api.py`` makes of the docstrings now."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HINT = "run `python scripts/pages/api.py` and commit docs/api"


def test_pages_are_up_to_date() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "pages" / "api.py"))
    made = script["pages"]()
    assert {file.name for file in (ROOT / "docs" / "api").iterdir()} == set(made), HINT
    for name, text in made.items():
        assert (ROOT / "docs" / "api" / name).read_text(encoding="utf-8") == text, f"docs/api/{name} is old: {HINT}"


def test_the_page_of_methods_says_what_authors_need() -> None:
    page = (ROOT / "docs" / "api" / "method.md").read_text(encoding="utf-8")
    for heading in ("## PretextMethod", "### PretextMethod.views", "### PretextMethod.forward"):
        assert f"{heading}\n" in page
