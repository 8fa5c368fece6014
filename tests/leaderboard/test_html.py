"""The HTML board in a real browser: it sorts, filters, follows links, obeys no name and loads nothing."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from board_page import CONTRAST, choose, column, eventually, headings, opened, ready, unpacked
from board_records import hostile_board, three

from sslskel.leaderboard import build_board, render
from sslskel.leaderboard.confusion import MOST_COUNTS
from sslskel.leaderboard.folder import board_of as board_of_folder
from sslskel.leaderboard.formats.bibtex import bibtex_text
from sslskel.leaderboard.model import AcrossBenchmarks, AcrossRow, Board, Confusion, Curve
from sslskel.leaderboard.wording import number
from sslskel.results.store import ResultStore
from sslskel.text import percent, plain


def board_of(rows: int) -> Board:
    return build_board(
        [
            record
            for number in range(rows)
            for protocol in ("linear", "knn")
            for record in three(f"method_{number:03d}", 0.3 + number / 1000, 0.31 + number / 1000, protocol=protocol)
        ]
    )


def test_two_hundred_rows_stay_under_five_megabytes_and_load_nothing() -> None:
    page = render(board_of(200), "html")
    assert len(page.encode()) < 5_000_000
    assert "default-src 'none'" in page
    assert not re.search(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=", page)


@pytest.mark.parametrize("name", ["jQuery", "DataTables", "Chart.js"])
def test_licences_of_what_is_inlined_are_in_the_page(name: str) -> None:
    page = render(board_of(1), "html")
    assert f"<h3>{name}</h3><pre>" in page
    assert "Permission is hereby granted" in page


def test_losses_of_the_runs_of_a_folder_become_curves(tmp_path: Path) -> None:
    """Thinned, without the line that a kill cut short, and only for runs that records name."""
    [record] = three("mamp", 0.5)
    ResultStore(tmp_path).write(replace(record, predictions=None))
    for name, first in ((record.pretrain_identity, 4.0), ("f" * 32, 9.0)):
        lines = [json.dumps({"step": n, "epoch": n / 10, "loss": first - n / 100}) for n in range(1, 301)]
        folder = tmp_path / "pretrain" / f"mamp-synthetic-xsub-s0-{name[:10]}"
        folder.mkdir(parents=True)
        (folder / "metrics.jsonl").write_text("\n".join([*lines, '{"step": 301, "lo']), encoding="utf-8")
    [curve] = board_of_folder(tmp_path, details=True).curves
    assert len(curve.points) == 100
    assert curve.points[0] == (0.3, pytest.approx(3.98))
    assert curve.points[-1] == (30.0, pytest.approx(1.01))
    assert board_of_folder(tmp_path).curves == ()


def board_with_confusions(folder: Path, classes: int) -> Board:
    """Two seeds whose matrices are known; the class names are the fallback of a benchmark that is not installed."""
    store = ResultStore(folder)
    for seed, record in enumerate(three("mamp", 0.5, 0.6, benchmark__name="elsewhere")):
        counts = np.diag(np.full(classes, 3)) + np.eye(classes, k=1, dtype=np.int64) * seed
        store.write(replace(record, predictions=None), {"keys": np.arange(3), "confusion_all": counts})
    return board_of_folder(folder, details=True)


def test_confusions_of_a_folder_are_summed_over_seeds(tmp_path: Path) -> None:
    [confusion] = board_with_confusions(tmp_path, 3).confusions
    assert confusion.counts == ((6, 1, 0), (0, 6, 1), (0, 0, 6))
    assert confusion.classes == ("class 0", "class 1", "class 2")
    assert board_of_folder(tmp_path).confusions == ()


def test_a_number_whose_seeds_did_not_all_keep_a_matrix_has_none(tmp_path: Path) -> None:
    board = board_with_confusions(tmp_path, 3)
    predictions = board.records[0].predictions
    assert predictions is not None
    (tmp_path / predictions["file"]).unlink()
    assert board_of_folder(tmp_path, details=True).confusions == ()


def test_two_hundred_rows_of_sixty_classes_stay_under_five_megabytes() -> None:
    board, full = board_of(200), ((7,) * 60,) * 60
    room = MOST_COUNTS // 3600
    page = render(
        replace(board, confusions=tuple(Confusion(n, 0, ("a class of some length",) * 60, full) for n in range(room))),
        "html",
    )
    assert len(page.encode()) < 5_000_000


def test_the_browser_shows_the_numbers_of_the_json(browser: Any, tmp_path: Path) -> None:
    board = board_of(6)
    page = opened(browser, board, tmp_path)
    content = json.loads(render(board, "json"))
    assert column(page, "board", 1) == [row["label"] for row in content["rows"]]
    for position in range(len(content["columns"])):
        texts = [row["cells"][position]["text"] for row in content["rows"]]
        assert column(page, "board", 3 + position) == texts
    means = {
        (row["label"], at): cell["summary"]["mean"] for row in content["rows"] for at, cell in enumerate(row["cells"])
    }
    shown = column(page, "long", "score, %")
    assert sorted(shown) == sorted(percent(mean) for mean in means.values())


def test_sorting_filtering_and_clearing(browser: Any, tmp_path: Path) -> None:
    keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
    page = opened(browser, board_of(12), tmp_path)
    header = page.find_elements("css selector", "#long thead th")[headings(page, "long").index("score, %")]
    header.click()
    eventually(page, lambda: header.get_attribute("aria-sort") == "descending")
    once = [float(text) for text in column(page, "long", "score, %")]
    assert once == sorted(once, reverse=True), "the best first"
    page.execute_script("(arguments[0].querySelector('[tabindex]') || arguments[0]).focus()", header)
    page.switch_to.active_element.send_keys(keys.ENTER)
    eventually(page, lambda: header.get_attribute("aria-sort") == "ascending")
    assert [float(text) for text in column(page, "long", "score, %")] == sorted(once)
    choose(page, "protocol", "knn top1")
    assert set(column(page, "long", "protocol")) == {"knn top1"}
    assert page.find_element("id", "shown").text == "12 of 24 shown"
    choose(page, "method", "method_003")
    assert column(page, "long", "method") == ["method_003"]
    page.find_element("css selector", "#filters button[type=reset]").click()
    assert page.find_element("id", "shown").text == "24 of 24 shown"


def test_a_link_leads_to_the_run_and_its_command(browser: Any, tmp_path: Path) -> None:
    board = board_of(2)
    page = opened(browser, board, tmp_path)
    link = page.find_element("css selector", "#long tbody a")
    identity = link.get_attribute("href").rpartition("#run-")[2]
    link.click()
    [record] = [record for record in board.records if record.identity == identity]
    article = page.find_element("id", "run")
    assert identity in article.text
    assert record.command in article.text
    assert f"pretrain/*-{record.pretrain_identity[:10]}" in article.text
    assert page.switch_to.active_element == article
    page.find_element("css selector", "#run details summary").click()
    assert json.loads(page.find_element("css selector", "#run details pre").text) == record.config


def test_classes_and_confusions_show_the_counts(browser: Any, tmp_path: Path) -> None:
    page = opened(browser, board_with_confusions(tmp_path, 4), tmp_path)
    assert column(page, "class-table", 0) == [f"class {label}" for label in range(4)]
    assert column(page, "class-table", 1) == ["7", "7", "7", "6"]
    assert column(page, "class-table", 2) == ["85.7", "85.7", "85.7", "100.0"]
    assert column(page, "class-table", 3) == ["class 1", "class 2", "class 3", "-"]
    cells = [cell.text for cell in page.find_elements("css selector", "#confusion tbody tr:first-child td")]
    assert cells == ["86", "14", "", ""]


def test_light_and_dark(browser: Any, tmp_path: Path) -> None:
    page = opened(browser, board_of(2), tmp_path)
    colours = []
    for _ in range(2):
        colours.append(page.execute_script("return getComputedStyle(document.body).backgroundColor"))
        page.find_element("id", "theme").click()
    assert len(set(colours)) == 2


@pytest.mark.long
def test_the_theme_is_remembered(browser: Any, tmp_path: Path) -> None:
    page = opened(browser, board_of(2), tmp_path)
    before = page.execute_script("return document.documentElement.dataset.theme")
    page.find_element("id", "theme").click()
    page.refresh()
    after = page.execute_script("return document.documentElement.dataset.theme")
    assert {before, after} == {"light", "dark"}
    page.execute_script("localStorage.clear()")


@pytest.mark.long
def test_filters_stand_in_the_address_and_back_undoes_them(browser: Any, tmp_path: Path) -> None:
    page = opened(browser, board_of(3), tmp_path)
    choose(page, "protocol", "knn top1")
    assert page.current_url.endswith("#results?protocol=knn+top1")
    page.refresh()
    ready(page)
    assert page.find_element("id", "shown").text == "3 of 6 shown"
    page.find_element("css selector", "#long tbody a").click()
    assert page.find_element("id", "run").text
    page.back()
    eventually(page, lambda: page.find_element("id", "run").text == "")
    page.back()
    eventually(page, lambda: page.find_element("id", "shown").text == "6 of 6 shown")


@pytest.mark.long
def test_paper_is_white_and_without_controls(browser: Any, tmp_path: Path) -> None:
    page = opened(browser, board_of(2), tmp_path)
    page.execute_script("document.documentElement.dataset.theme = 'dark'")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        look = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
        assert page.execute_script(look, "body", "backgroundColor") == "rgb(255, 255, 255)"
        assert {page.execute_script(look, one, "display") for one in ("nav", "#theme", "#filters")} == {"none"}
        assert page.execute_script(look, "#board", "display") == "table"
        ink = "return Chart.getChart('cost-chart').options.scales.x.ticks.color"
        eventually(page, lambda: page.execute_script(ink) == "#000000")
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_scores_are_readable_on_a_phone_in_both_themes(browser: Any, tmp_path: Path, theme: str) -> None:
    """Methods and scores at 400 px without scrolling; contrast of all text by WCAG 2 AA, of full cells too."""
    page = opened(browser, board_with_confusions(tmp_path, 4), tmp_path)
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    )
    if page.execute_script("return document.documentElement.dataset.theme") != theme:
        page.find_element("id", "theme").click()
    try:
        for cell in ("#board tbody td:nth-child(2)", "#board tbody td.number", "#long tbody td.score"):
            box = page.find_element("css selector", cell).rect
            assert box["x"] >= 0, cell
            assert box["x"] + box["width"] <= 400, cell
        assert page.execute_script("return document.documentElement.scrollWidth") <= 400
        assert page.execute_script(CONTRAST) >= 4.5
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.execute_script("localStorage.clear()")


@pytest.mark.long
def test_intervals_and_the_pareto_line_are_drawn(browser: Any, tmp_path: Path) -> None:
    board = board_of(4)
    page = opened(browser, board, tmp_path)
    titles = [one.get_attribute("textContent") for one in page.find_elements("css selector", "#interval-plot title")]
    assert titles == [f"{row.label}: {number(row.cells[0])}" for row in board.rows]
    assert len(page.find_elements("css selector", "#interval-plot .interval")) == 4
    sets = page.execute_script("return Chart.getChart('cost-chart').data.datasets.map((one) => [one.label, one.data])")
    label, line = sets[-1]
    assert label == "Pareto line"
    assert [point["y"] for point in line] == [max(one[0]["y"] for _, one in sets[:-1])], "all cost the same"


@pytest.mark.long
def test_seeds_of_a_method_are_one_curve_with_a_band(browser: Any, tmp_path: Path) -> None:
    curves = [Curve(f"mamp, here, cpu, seed {seed}", ((1.0, 3.0 + seed), (2.0, 1.0 + seed))) for seed in range(3)]
    page = opened(browser, replace(board_of(1), curves=tuple(curves)), tmp_path)
    sets = page.execute_script("return Chart.getChart('curve-chart').data.datasets.map((o) => [o.label, o.data])")
    assert [label for label, _ in sets] == [
        "mamp, here, cpu: lowest",
        "mamp, here, cpu: highest",
        "mamp, here, cpu, mean of 3 seeds",
    ]
    assert [[point["y"] for point in points] for _, points in sets] == [[3, 1], [5, 3], [4, 2]]


@pytest.mark.long
def test_a_probe_is_drawn_dashed_on_its_own_axis(browser: Any, tmp_path: Path) -> None:
    points = ((1.0, 3.0), (2.0, 1.0))
    curves = (
        Curve("mamp, here, cpu, seed 0", points, "knn/subjects", ((0.0, 0.25), (2.0, 0.5))),
        Curve("other, here, cpu, seed 0", points),
    )
    page = opened(browser, replace(board_of(2), curves=curves), tmp_path)
    shown = "[one.label, one.yAxisID || 'y', one.borderColor, one.data]"
    sets = page.execute_script(f"return Chart.getChart('curve-chart').data.datasets.map((one) => {shown})")
    assert [(label, axis) for label, axis, *_ in sets] == [
        ("mamp, here, cpu, seed 0", "y"),
        ("other, here, cpu, seed 0", "y"),
        ("mamp, here, cpu, seed 0: knn/subjects, %", "probe"),
    ]
    assert sets[2][2] == sets[0][2] != sets[1][2]
    assert sets[2][3] == [{"x": 0, "y": 25}, {"x": 2, "y": 50}]


@pytest.mark.long
def test_methods_and_classes_are_a_map(browser: Any, tmp_path: Path) -> None:
    page = opened(browser, board_with_confusions(tmp_path, 4), tmp_path)
    assert [cell.text for cell in page.find_elements("css selector", "#heat tbody td")] == ["86", "86", "86", "100"]
    assert page.find_element("css selector", "#heat tbody th").text == "mamp"


@pytest.mark.long
def test_mean_ranks_over_benchmarks_are_drawn(browser: Any, tmp_path: Path) -> None:
    rows = (AcrossRow("one", 0.6, None, 1.25, (0.5, 0.9)), AcrossRow("other", 0.5, None, 1.75, (0.1, 0.5)))
    across = (AcrossBenchmarks("mean", ("a", "b", "c", "d", "e"), rows, 0.9, ()),)
    page = opened(browser, replace(board_of(2), across=across), tmp_path)
    titles = [one.get_attribute("textContent") for one in page.find_elements("css selector", "[data-ranks] title")]
    assert titles == ["one: 1.25", "other: 1.75"]


def test_files_to_download_are_those_of_the_command() -> None:
    board = board_of(2)
    files = unpacked(render(board, "html"))["downloads"]
    assert files == {"board.csv": render(board, "csv"), "board.json": render(board, "json")} | {
        "board.tex": render(board, "latex"),
        "board.bib": bibtex_text(board),
    }


def test_hostile_names_are_text_in_the_browser(browser: Any, tmp_path: Path) -> None:
    board = hostile_board()
    page = opened(browser, board, tmp_path)
    shown = {re.sub(r"\s+", " ", text).strip() for text in column(page, "board", 1)}
    assert shown == {re.sub(r"\s+", " ", plain(row.label)).strip() for row in board.rows}
    assert page.find_elements("css selector", "table script, table a:not([href^='#run-']), table b, table img") == []
    assert page.execute_script("return document.querySelectorAll('script').length") == 5
