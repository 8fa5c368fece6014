"""Filters, failed cells, maps and an old browser: the HTML board in a real one, by mouse and by keyboard."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from board_page import CONTRAST, choose, column, eventually, opened, ready, visited
from board_records import made, three

from sslskel.leaderboard import build_board, render
from sslskel.leaderboard.model import Board, Failed, FeatureMap, Literature

LITERATURE = (
    Literature("method", "small", "One et al., Small, CVPR 2021", 2021, "contrast"),
    Literature("method", "large", "Two et al., Large, CVPR 2024", 2024, "masking"),
)


def board_of_two() -> Board:
    """A small and cheap method, a large and dear one, and a third of which every cell failed."""
    records = [
        *three("small", 0.5, 0.6, backbone__parameters=1000, cost__pretrain_seconds=10.0),
        *three("large", 0.7, 0.8, backbone__parameters=9000, cost__pretrain_seconds=90.0),
    ]
    failed = Failed("broken on utd_mhad/xsub, seed 0, linear", "broken", "utd_mhad/xsub", "linear", "out of <memory>")
    points = tuple((at, 2 * at, at % 3) for at in range(30))
    maps = (FeatureMap("small", "30 clips. Placed by PCA.", points), FeatureMap("large", "By UMAP.", points[:3]))
    command = "sslskel bench --method small,large --seeds 2"
    records = [replace(record, command=command) for record in records]
    return replace(build_board(records), literature=LITERATURE, failed=(failed,), maps=maps)


def shown(page: Any) -> list[str]:
    return column(page, "board", "method")


def limited(page: Any, name: str, value: str) -> None:
    keys = importlib.import_module("selenium.webdriver.common.keys").Keys
    field = page.find_element("css selector", f'#filters input[data-limit="{name}"]')
    field.clear()
    field.send_keys(value, keys.TAB)


def test_filters_hold_for_results_ranking_and_plots(browser: Any, tmp_path: Path) -> None:
    page = opened(browser, board_of_two(), tmp_path)
    assert shown(page) == ["large", "small", "broken"]
    choose(page, "family", "contrast")
    assert shown(page) == column(page, "long", "method") == ["small"]
    assert page.find_element("id", "ranked").text.startswith("1 of 3 rows shown")
    titles = [one.get_attribute("textContent") for one in page.find_elements("css selector", "#interval-plot title")]
    assert [title.partition(":")[0] for title in titles] == ["small"]
    points = page.execute_script("return Chart.getChart('cost-chart').data.datasets.map((one) => one.label)")
    assert points == ["small", "Pareto line"]
    choose(page, "family", "all")
    limited(page, "seconds", "50")
    assert column(page, "long", "method") == ["small"]
    assert page.current_url.endswith("#results?seconds=50")
    page.back()
    eventually(page, lambda: len(column(page, "long", "method")) == 3)
    choose(page, "status", "failed")
    assert shown(page) == ["broken"]


@pytest.mark.long
def test_an_address_with_filters_opens_as_it_was_left(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "board.html"
    path.write_text(render(board_of_two(), "html"), encoding="utf-8")
    page = visited(browser, path, "#results?year=2024&parameters=9000")
    assert column(page, "long", "method") == ["large"]
    assert page.find_element("css selector", '[data-limit="parameters"]').get_attribute("value") == "9000"
    page = visited(browser, path, "#results?year=1999&unknown=1")
    assert len(column(page, "long", "method")) == 3, "what the page cannot filter by is passed over"


@pytest.mark.long
def test_failed_cells_are_rows_and_marks(browser: Any, tmp_path: Path) -> None:
    page = opened(browser, board_of_two(), tmp_path)
    [row] = page.find_elements("css selector", "#long tbody tr.failed")
    assert "failed" in row.text
    assert "broken on utd_mhad/xsub, seed 0, linear: out of <memory>" in row.text
    last = page.find_elements("css selector", "#board tbody tr")[-1]
    assert last.find_element("css selector", "td.number").text == "failed"


@pytest.mark.long
def test_everything_is_reached_by_keyboard(browser: Any, tmp_path: Path) -> None:
    """From the top by Tab alone: skip link, theme, filters, a limit, a run and back."""
    keys = importlib.import_module("selenium.webdriver.common.keys").Keys
    page = opened(browser, board_of_two(), tmp_path)
    page.execute_script("document.activeElement.blur()")

    def press(key: str) -> Any:
        page.switch_to.active_element.send_keys(key)
        return page.switch_to.active_element

    def until(css: str) -> Any:
        for _ in range(200):
            at = press(keys.TAB)
            if page.execute_script("return arguments[0].matches(arguments[1])", at, css):
                outline = "const of = getComputedStyle(arguments[0]); return [of.outlineStyle, of.outlineWidth]"
                style, width = page.execute_script(outline, at)
                assert style != "none", f"{css} shows no focus"
                assert float(width.removesuffix("px")) >= 1, f"{css} shows no focus"
                return at
        raise AssertionError(f"{css} is not reached")

    before = page.execute_script("return document.documentElement.dataset.theme")
    until("#theme")
    press(keys.ENTER)
    assert page.execute_script("return document.documentElement.dataset.theme") != before
    press(keys.ENTER)
    until('select[data-name="family"]')
    press("c")
    eventually(page, lambda: column(page, "long", "method") == ["small"])
    until("#more")
    press(keys.SPACE)
    assert page.find_element("css selector", "#long td.more").is_displayed()
    until("#long tbody a")
    press(keys.ENTER)
    eventually(page, lambda: page.switch_to.active_element.get_attribute("id") == "run")
    page.back()
    eventually(page, lambda: page.find_element("id", "run").text == "")
    page.execute_script("localStorage.clear()")


@pytest.mark.long
def test_a_run_shows_the_command_of_its_cell(browser: Any, tmp_path: Path) -> None:
    page = opened(browser, board_of_two(), tmp_path)
    page.find_element("css selector", "#long tbody a").click()
    eventually(page, lambda: page.find_element("id", "run").text != "")
    commands = [one.text for one in page.find_elements("css selector", "#run > pre")]
    own = "--method small --benchmark utd_mhad/xsub --protocol linear --seeds 0,"
    assert commands == [
        f"sslskel bench {own}".replace("small", "large"),
        "sslskel bench --method small,large --seeds 2",
    ]


@pytest.mark.long
def test_features_are_drawn_by_class(browser: Any, tmp_path: Path) -> None:
    page = opened(browser, board_of_two(), tmp_path)
    sets = (
        "return Chart.getChart('map-chart').data.datasets.map((one) => [one.label, one.data.length, one.borderColor])"
    )
    drawn = page.execute_script(sets)
    assert [(label, count) for label, count, _ in drawn] == [("class 0", 10), ("class 1", 10), ("class 2", 10)]
    assert len({colour for _, _, colour in drawn}) == 3
    assert page.find_element("id", "map-way").text == "30 clips. Placed by PCA."
    page.find_element("css selector", '#map-class option[value="1"]').click()
    colours = [colour for _, _, colour in page.execute_script(sets)]
    assert colours[0] == colours[2] != colours[1]
    page.find_element("css selector", '#map-choice option[value="1"]').click()
    assert [count for _, count, _ in page.execute_script(sets)] == [1, 1, 1]


@pytest.mark.long
def test_a_browser_that_cannot_unpack_says_so_and_shows_the_ranking(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "board.html"
    path.write_text(render(board_of_two(), "html"), encoding="utf-8")
    added = browser.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": "delete window.DecompressionStream"}
    )
    try:
        browser.get("about:blank")
        browser.get(path.as_uri())
        eventually(browser, lambda: browser.find_element("id", "lacking").is_displayed())
        assert "no DecompressionStream" in browser.find_element("id", "lacking").text
        assert shown(browser) == ["large", "small", "broken"]
        assert not browser.find_element("id", "filters").is_displayed()
        assert not any(one.is_displayed() for one in browser.find_elements("css selector", ".download"))
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


@pytest.mark.long
def test_many_results_are_shown_in_pages(browser: Any, tmp_path: Path) -> None:
    board = build_board([made(f"method_{at:03d}", at / 1000) for at in range(350)])
    page = opened(browser, board, tmp_path)
    assert page.find_element("id", "shown").text == "350 of 350 shown"
    assert len(column(page, "long", "method")) == 100
    page.find_element("css selector", ".dt-paging button[aria-label='Next']").click()
    eventually(page, lambda: column(page, "long", "method")[0] == "method_249")
    page.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert len(column(page, "long", "method")) == 350, "paper has no pages to turn"
    page.execute_script("dispatchEvent(new Event('afterprint'))")
    assert len(column(page, "long", "method")) == 100
    choose(page, "method", "method_003")
    assert column(page, "long", "method") == ["method_003"]


@pytest.mark.long
@pytest.mark.parametrize("width", [400, 1300])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_runs_over_the_edge(browser: Any, tmp_path: Path, width: int, theme: str) -> None:
    page = opened(browser, board_of_two(), tmp_path)
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        page.execute_script(f"localStorage.setItem('sslskel-theme', '{theme}')")
        page.refresh()
        ready(page)
        assert page.execute_script("return document.documentElement.dataset.theme") == theme
        page.find_element("id", "more").click()
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
        assert page.execute_script(CONTRAST) >= 4.5
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.execute_script("localStorage.clear()")
