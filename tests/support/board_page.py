"""The HTML board for tests: what its block holds, and what a browser shows of it."""

from __future__ import annotations

import base64
import importlib
import json
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sslskel.leaderboard import render
from sslskel.leaderboard.model import Board

CONTRAST = """
const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const light = (colour) => {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (node) => {
  for (let at = node; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor;
    if (!["rgba(0, 0, 0, 0)", "transparent"].includes(colour)) { return colour; }
  }
  return "white";
};
const ratios = [...document.querySelectorAll("td, th, p, li, label, button, select, a, dt, h1, h2")]
  .filter((node) => node.textContent.trim() && node.offsetParent)
  .map((node) => {
    const [one, other] = [light(getComputedStyle(node).color), light(behind(node))].sort();
    return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  });
return Math.min(...ratios);
"""
"""The lowest contrast of all text of a page, by WCAG 2."""


def unpacked(page: str) -> dict[str, Any]:
    """The content of the block."""
    content: dict[str, Any] = json.loads(_text(packed(page)))
    return content


def with_block_unpacked(page: str) -> str:
    """The page with the block's text in its place, which no version of a packer changes."""
    block = packed(page)
    return page.replace(block, _text(block))


def packed(page: str) -> str:
    """The block as it stands in the page."""
    [block] = re.findall(r'<script type="text/plain" id="data">(.*?)</script>', page, re.S)
    return str(block)


def _text(block: str) -> str:
    return zlib.decompress(base64.b64decode(block, validate=True)).decode()


def opened(browser: Any, board: Board, folder: Path) -> Any:
    """The page of a board, unpacked and drawn without a complaint."""
    path = folder / "board.html"
    path.write_text(render(board, "html"), encoding="utf-8")
    return visited(browser, path)


def visited(browser: Any, path: Path, address: str = "") -> Any:
    """A page that was written, at a place in it."""
    browser.get("about:blank")
    browser.get(path.as_uri() + address)
    ready(browser)
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    return browser


def ready(page: Any) -> None:
    """Wait until the page is unpacked."""
    eventually(page, lambda: page.execute_script("return document.documentElement.dataset.ready") == "yes")


def eventually(page: Any, holds: Callable[[], bool]) -> None:
    """Wait for what the page does a moment later."""
    importlib.import_module("selenium.webdriver.support.wait").WebDriverWait(page, 20).until(lambda _: holds())


def column(page: Any, table: str, name: str | int) -> list[str]:
    """Texts of a column, by its heading or place."""
    at = name if isinstance(name, int) else headings(page, table).index(name)
    cells = page.find_elements("css selector", f"#{table} tbody tr td:nth-child({at + 1})")
    return [cell.get_attribute("textContent") for cell in cells]


def headings(page: Any, table: str) -> list[str]:
    """Of all columns, hidden ones included."""
    return [one.get_attribute("textContent") for one in page.find_elements("css selector", f"#{table} thead th")]


def choose(page: Any, name: str, text: str) -> None:
    """Choose what a filter offers."""
    options = page.find_elements("css selector", f'#filters select[data-name="{name}"] option')
    [option] = [option for option in options if option.text == text]
    option.click()
