"""The simulated rates of docs/measured/statistics.md hold: coverage, false claims of boards, false differences."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


def loaded() -> ModuleType:
    """The script that writes the page."""
    spec = importlib.util.spec_from_file_location("simulations", ROOT / "scripts" / "pages" / "simulations.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


simulations = loaded()
COVERED, FALSE = (0.93, 0.97), 0.06
"""What is promised of the shares on the page; a share of fewer simulations may be three standard errors beyond."""


def slack(share: float, runs: int) -> float:
    return 3 * (share * (1 - share) / runs) ** 0.5


@pytest.mark.long
@pytest.mark.parametrize(("clips", "runs"), [(430, 4000), (16_487, 400)])
@pytest.mark.parametrize("pretrainings", simulations.PRETRAININGS)
def test_intervals_cover_as_they_say(pretrainings: int, clips: int, runs: int) -> None:
    here, elsewhere, anywhere = simulations.coverage(pretrainings, clips, runs)
    for rate in (here, anywhere):
        assert COVERED[0] - slack(0.93, runs) <= rate.share <= COVERED[1] + slack(0.97, runs), rate
    if (pretrainings, clips) == (5, 430):
        assert elsewhere.share < 0.9, "for other clips an interval over pretrainings alone is too narrow"


@pytest.mark.long
@pytest.mark.parametrize("pretrainings", simulations.PRETRAININGS)
def test_evaluations_of_the_same_weights_narrow_no_interval(pretrainings: int) -> None:
    rate = simulations.repeated(pretrainings, 6, 4000)
    assert COVERED[0] <= rate.share <= COVERED[1], rate


@pytest.mark.long
@pytest.mark.parametrize("kind", ["equal", "mixed"])
@pytest.mark.parametrize("rows", simulations.ROWS)
def test_boards_of_any_size_hold_few_false_claims(rows: int, kind: str) -> None:
    rate = simulations.boards(rows, 1500, means=simulations.mixed(rows) if kind == "mixed" else ())
    assert rate.share <= FALSE, rate


@pytest.mark.long
def test_what_is_far_above_all_is_bold() -> None:
    """A rule that never claims anything would hold the rates too."""
    assert simulations.power(8.0, 500).share > 0.9
    assert simulations.power(3.0, 500, pretrainings=5).share > 0.7


@pytest.mark.long
@pytest.mark.parametrize("null", simulations.NULLS)
@pytest.mark.parametrize(("clips", "runs"), [(430, 3000), (16_487, 300)])
@pytest.mark.parametrize("pretrainings", simulations.PRETRAININGS)
def test_equal_methods_are_rarely_called_different(pretrainings: int, clips: int, runs: int, null: str) -> None:
    rate = simulations.compared(null, pretrainings, clips, runs)
    assert rate.share <= FALSE + slack(FALSE, runs), rate


def test_a_quick_look_at_every_simulation() -> None:
    """Each is short enough to run at every change, and far from what was wrong: .37 covered, .47 false."""
    assert simulations.coverage(2, 430, 100)[0].share > 0.85
    assert simulations.repeated(2, 6, 100).share > 0.85
    assert simulations.boards(5, 100).share < 0.15
    assert simulations.compared("new", 2, 430, 100).share < 0.15


def test_the_page_is_written_by_the_script_and_holds_the_rates() -> None:
    text = (ROOT / simulations.PAGE).read_text(encoding="utf-8")
    assert simulations.INTRODUCTION.format(script=f"scripts/pages/simulations.py --output {simulations.PAGE}") in text
    sections = {part.partition("\n")[0]: part for part in text.split("\n## ")}
    covered = [row for row in table(sections["Intervals of one row"]) if row[0] != "the same, for all clips"]
    assert len(covered) == 5
    assert all(COVERED[0] <= share <= COVERED[1] for row in covered for share in shares(row)), covered
    false = [row for row in table(sections["Claims of a board"]) if "pretrainings" in row[0]]
    false += table(sections["`sslskel compare` of equal methods"])
    assert len(false) == 3 + 6
    assert all(share <= FALSE for row in false for share in shares(row)), false


def table(section: str) -> list[list[str]]:
    """Rows of the numbers of a section."""
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if "±" in line]
    assert rows
    return rows


def shares(row: list[str]) -> list[float]:
    return [float(cell.partition(" ±")[0]) for cell in row if "±" in cell]
