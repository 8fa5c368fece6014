"""The ladder: cost beside score, the front by hand, rows without scores, and text of others in every form."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from board_records import HOSTILE, three

from sslskel.errors import UsageError
from sslskel.leaderboard.build import build_board
from sslskel.leaderboard.formats.ladder import FRONT, hours, render_ladder
from sslskel.leaderboard.ladder import Effort, Ladder, Rung, ladder_of
from sslskel.results.record import Record

SEEN = {"clips": 9, "dataset": "ntu60", "fingerprint": "f" * 64, "part": "train", "split": "xsub"}
OTHER = {"benchmark__name": "ntu60", "benchmark__fingerprint": "f" * 64, "seen": [SEEN]}
HOURS = {"cheap": 1.0, "dear": 4.0, "wasteful": 5.0, "unknown": None, "part": 2.0}


def effort(record: Record) -> Effort | None:
    name = record.method["name"]
    return None if name == "strange" else Effort(10, 100, HOURS.get(name, 0.0), 7)


def records() -> list[Record]:
    scores = {"cheap": 0.5, "dear": 0.8, "wasteful": 0.7, "unknown": 0.9, "strange": 0.95, "part": 0.99}
    both = [one for name, score in scores.items() for one in three(name, score, score)]
    return [*both, *(one for name, score in scores.items() if name != "part" for one in three(name, score, **OTHER))]


def made(*others: Rung) -> Ladder:
    return ladder_of(build_board(records()), effort, others, ["how hours are computed"])


def test_the_front_is_what_no_method_beats_at_no_more_cost() -> None:
    assert [one.label for one in made().rungs if one.front] == ["dear", "cheap"]


def test_equals_stand_on_the_front_together() -> None:
    twins = [*three("cheap", 0.5), *three("alike", 0.5), *three("dear", 0.5)]
    hours_of = {"cheap": 1.0, "alike": 1.0, "dear": 2.0}
    ladder = ladder_of(build_board(twins), lambda record: Effort(1, 1, hours_of[record.method["name"]]))
    assert {one.label.split()[0] for one in ladder.rungs if one.front} == {"cheap", "alike"}


def test_cost_is_of_one_pretraining_on_each_benchmark_with_a_number() -> None:
    efforts = {one.label.split()[0]: one.effort for one in made().rungs}
    assert efforts["cheap"] == Effort(20, 200, 2.0, 203136)
    assert efforts["part"] == Effort(10, 100, 2.0, 203136)
    assert efforts["unknown"] == Effort(20, 200, None, 203136)
    assert efforts["strange"] is None


def test_a_row_without_every_number_has_no_mean_and_comes_behind() -> None:
    ladder = made(Rung("absent", "cpu", True, Effort(3, 30, 0.5, 9)))
    assert [(one.label.split()[0], one.mean) for one in ladder.rungs[-2:]] == [("absent", None), ("part", None)]
    assert ladder.rungs[0].label.startswith("strange")


def test_scores_are_of_one_recipe() -> None:
    mixed = [*three("cheap", 0.5, protocol="knn"), *three("cheap", 0.4)]
    ladder = ladder_of(build_board(mixed, protocols=["knn", "linear"]), effort)
    assert [column.protocol for column in ladder.columns] == ["knn"]
    assert ladder.title.startswith("knn top1")


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_markdown_has_every_rung(form: str) -> None:
    text = render_ladder(made(Rung("absent", "cpu", True, None)), form)
    [cheap] = [line for line in text.splitlines() if line.startswith("| cheap")]
    assert "| 203,136 | 20 | 200 | 2 | 50.0 (1) | 50.0 ± 0.0 (2) | 50.0 |" in cheap
    assert cheap.endswith(f"| {FRONT} |")
    [absent] = [line for line in text.splitlines() if line.startswith("| absent")]
    assert absent == "| absent ◇ | cpu | - | - | - | - | - | - | - |  |"
    assert "- how hours are computed" in text


def test_csv_has_numbers_in_full_and_leaves_out_what_is_not_there() -> None:
    lines = list(csv.DictReader(io.StringIO(render_ladder(made(Rung("absent", "cpu", True, None)), "csv"))))
    by_name = {line["method"].split()[0]: line for line in lines}
    assert (by_name["dear"]["GPU-hours"], by_name["dear"]["mean"], by_name["dear"]["front"]) == ("8.0", "0.8", "1")
    assert by_name["unknown"]["GPU-hours"] == ""
    assert set(by_name["absent"].values()) == {"absent", "cpu", "", "0", "1"}


def test_html_draws_the_front_and_loads_nothing() -> None:
    page = render_ladder(made(), "html")
    assert page.count("<circle") == 3, "those with a mean and a cost"
    assert page.count('<tr class="front">') == 2
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page


def test_another_form_is_refused() -> None:
    with pytest.raises(UsageError, match="the ladder has no format 'latex'; take table, markdown, csv, html"):
        render_ladder(made(), "latex")


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_others_are_text_in_every_form(name: str) -> None:
    rung = Rung(name, name, False, None)
    ladder = replace(made(rung), warnings=(name,), notes=(name,))
    page, markdown = (render_ladder(ladder, form) for form in ("html", "markdown"))
    assert "<script>" not in page
    assert "<script>" not in markdown
    assert not any(character in page + markdown for character in "\x1b\u202e\u200b")
    lines = list(csv.reader(io.StringIO(render_ladder(ladder, "csv"))))
    assert len(lines) == 1 + len(ladder.rungs)
    assert not any(cell.startswith(("=", "+", "@", "＝")) for line in lines for cell in line)


def test_hours_have_two_digits() -> None:
    assert [hours(one) for one in (None, 0.0, 0.01234, 3.26, 1234.5)] == ["-", "0", "0.012", "3.3", "1,234"]
