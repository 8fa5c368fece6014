"""All formats carry the same numbers, read back from what was written; no name breaks any of them."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import shutil
import subprocess
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from board_page import with_block_unpacked
from board_records import HOSTILE, hostile_board, mixed_records, three
from markdown_it import MarkdownIt
from rich.console import Console

from sslskel.errors import RunError, UsageError
from sslskel.leaderboard import build_board, print_board, render, write_board
from sslskel.leaderboard.formats.latex import ACCENTS, COMMANDS
from sslskel.leaderboard.model import Board
from sslskel.text import percent, plain

NUMBER = re.compile(
    r"(?P<mean>-?[\d.]+)(?: ± (?P<sd>[\d.]+))? \((?P<n>\d+)\)(?P<leak> †)?(?P<unproven> ‡)?(?P<swept> §)?"
    r"(?:\s*\[(?P<low>-?[\d.]+), (?P<high>-?[\d.]+)\])?"
)


def numbers_of(text: str) -> dict[str, Any]:
    """What a written cell says, as text."""
    match = NUMBER.fullmatch(text.strip())
    assert match, text
    return match.groupdict()


def expected(cell: dict[str, Any]) -> dict[str, Any]:
    summary = cell["summary"]
    low, high = summary["interval"] or (None, None)
    shown = {"mean": summary["mean"], "sd": summary["sd"], "low": low, "high": high}
    facts = {name: None if value is None else percent(value) for name, value in shown.items()}
    return facts | {
        "n": str(summary["n"]),
        "leak": " †" if cell["leak"] else None,
        "unproven": " ‡" if cell["unproven"] else None,
        "swept": " §" if cell["swept"] else None,
    }


def markdown_rows(text: str) -> list[list[str]]:
    """Cells of the first table of a Markdown text, as a reader sees them."""
    page = MarkdownIt("commonmark").enable("table").render(text)
    table = page[page.index("<table>") : page.index("</table>")]
    return [
        [html.unescape(re.sub(r"</?strong>", "", cell)) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.S)]
        for row in re.findall(r"<tr>(.*?)</tr>", table, re.S)
    ]


def terminal_rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith(("│", "┃"))]
    return [[word.strip() for word in re.split("[│┃]", line)[1:-1]] for line in lines]


def latex_rows(text: str) -> list[list[str]]:
    """Cells of a LaTeX table as a reader sees them; headings come out on one line."""
    body = text[text.index(r"\toprule") + 8 : text.index(r"\bottomrule")].replace(r"\midrule", "")
    stacked = re.compile(r"\\begin\{tabular\}\[b\]\{@\{\}c@\{\}\}(.*?)\\end\{tabular\}")
    lines = [stacked.sub(lambda match: match[1].replace(r"\\", " "), line) for line in body.strip().split("\n")]
    assert all(line.endswith(r" \\") for line in lines if line)
    return [[_read_latex(cell) for cell in re.split(r" (?<!\\)& ", line[:-3])] for line in lines if line]


def _read_latex(cell: str) -> str:
    text = re.sub(r"\\textbf\{(.*)\}$", r"\1", cell)
    text = re.sub(r"\{?\\char(\d+)\}?", lambda match: chr(int(match[1])), text)
    text = re.sub(r"\\texttt\{U\+([0-9A-F]+)\}", lambda match: chr(int(match[1], 16)), text)
    marks = {accent: mark for mark, accent in ACCENTS.items()}
    text = re.sub(
        r"\\([`'^~=\".rHuvc])\{([A-Za-z])\}",
        lambda match: unicodedata.normalize("NFC", match[2] + marks[match[1]]),
        text,
    )
    for character, command in sorted(COMMANDS.items(), key=lambda pair: -len(pair[1])):
        if len(command) > 2:
            text = text.replace(command, character if character not in "\\{}" else f"\0{ord(character)}\0")
    text = re.sub(r"\{([\[\]*])\}", r"\1", text)
    text = re.sub(r"\\([{}$&#%_])", r"\1", text)
    return re.sub("\0(\\d+)\0", lambda match: chr(int(match[1])), text)


def html_rows(text: str) -> list[list[str]]:
    """Cells of the ranking of an HTML board."""
    table = text[text.index('<table id="board">') : text.index("</table>")]
    return [
        [html.unescape(re.sub(r"</?strong>", "", cell)) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.S)]
        for row in re.findall(r"<tr>(.*?)</tr>", table, re.S)
    ]


EVERYTHING = {"details": True, "intervals": True}
READERS = {"html": html_rows, "markdown": markdown_rows, "table": terminal_rows, "latex": latex_rows}


def shown_cells(board: Board, form: str) -> dict[str, list[str]]:
    """Per label the numbers of a board in a format that shows a table, the mean last."""
    rows = READERS[form](render(board, form, **EVERYTHING))
    head, count = rows[0], len(board.columns) + len(board.means)
    assert head[1] == "method"
    assert head[len(head) - len(board.means) :] == [mean.title for mean in board.means]
    return {row[1].strip(): row[-count:] for row in rows[1:]}


@pytest.mark.parametrize("make", [lambda: build_board(mixed_records()), hostile_board], ids=["mixed", "hostile"])
def test_all_formats_carry_the_same_numbers(make: Any) -> None:
    board = make()
    content = json.loads(render(board, "json"))
    lines = iter(csv.DictReader(io.StringIO(render(board, "csv"))))
    tables = {form: shown_cells(board, form) for form in READERS}
    assert len(content["rows"]) == len(board.rows)
    for row in content["rows"]:
        for position, cell in enumerate(row["cells"]):
            line = next(lines)
            written = [shown[plain(row["label"]).strip()][position] for shown in tables.values()]
            if cell is None:
                assert written == ["-"] * len(READERS)
                assert (line["n"], line["mean"], line["text"]) == ("0", "", "")
                continue
            assert [numbers_of(text) for text in [*written, line["text"], cell["text"]]] == [expected(cell)] * (
                len(READERS) + 2
            )
            assert float(line["mean"]) == cell["summary"]["mean"]
            assert [float(value) for value in line["scores"].split()] == cell["scores"]
            low, high = cell["summary"]["interval"] or ("", "")
            assert (line["low"], line["high"]) == (str(low), str(high))
            assert line["bold"] == str(int(cell["bold"]))
            assert line["row_mean"] == next(
                (
                    repr(value)
                    for mean, value in zip(content["means"], row["means"], strict=True)
                    if value is not None and position in mean["columns"]
                ),
                "",
            )
        for form, shown in tables.items():
            written = shown[plain(row["label"]).strip()][len(board.columns) :]
            assert written == [percent(mean) for mean in row["means"]], form
    assert next(lines, None) is None


@pytest.mark.parametrize("make", [lambda: build_board(mixed_records()), hostile_board], ids=["mixed", "hostile"])
@pytest.mark.parametrize("details", [False, True])
def test_latex_compiles_in_an_article_with_booktabs_alone(make: Any, details: bool, tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed (Debian: texlive-latex-base, texlive-latex-recommended)")
    table = render(make(), "latex", details=details, intervals=details)
    article = "\n".join(
        [r"\documentclass{article}", r"\usepackage{booktabs}", r"\begin{document}", table, r"\end{document}"]
    )
    (tmp_path / "board.tex").write_text(article, encoding="utf-8")
    made = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "board.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert made.returncode == 0, made.stdout[-2000:]
    assert "Missing character" not in made.stdout


def test_bold_is_bold_where_a_format_has_it() -> None:
    board = build_board([*three("mamp", 0.80, 0.81, 0.82), *three("random_init", 0.3, 0.31, 0.32, seen=[])])
    whole = render(board, "markdown", **EVERYTHING)
    assert "| **81.0 ± 1.0 (3) \\[78.5, 83.5\\]** |" in whole
    assert "| 31.0 ± 1.0 (3) \\[28.5, 33.5\\] |" in whole
    assert "| **81.0 ± 1.0** |" in render(board, "markdown")
    assert json.loads(render(board, "json"))["rows"][0]["cells"][0]["bold"] is True
    styled = io.StringIO()
    print_board(
        board, Console(file=styled, width=200, force_terminal=True, color_system="standard", legacy_windows=False)
    )
    assert "\x1b[1m81.0 ± 1.0" in styled.getvalue()


def test_markdown_says_what_the_numbers_are_and_how_they_were_made() -> None:
    board = build_board([*three("mamp", 0.6, 0.7), *three("random_init", 0.1, 0.2, seen=[])])
    text = render(board, "markdown", **EVERYTHING)
    page = MarkdownIt("commonmark").enable("table").render(text)
    assert (
        "standard deviation over pretrainings (how many) [95 % t interval over pretrainings, on these test clips]"
        in page
    )
    assert "All rows: backbone transformer, streams joint, precision fp32." in page
    assert "top1" in page
    assert "preset cpu: 60 frames" in page
    assert "against random_init" in page
    assert "sslskel bench --method mamp --protocol linear --benchmark utd_mhad --seeds 3" in page


def test_facts_that_differ_become_columns() -> None:
    text = render(
        build_board([*three("mamp", 0.6), *three("mamp", 0.5, backbone__name="st_gcn", precision="bf16")]),
        "markdown",
        details=True,
    )
    assert text.splitlines()[2].startswith("| \\# | method | preset | backbone | precision |")
    assert "All rows: streams joint." in text


def test_hostile_names_stay_text_in_markdown() -> None:
    board = hostile_board()
    text = render(board, "markdown", details=True)
    page = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)
    table = page[page.index("<table>") : page.index("</table>")]
    assert set(re.findall(r"</?([a-z]+)", table)) <= {"table", "thead", "tbody", "tr", "th", "td"}
    assert {len(row) for row in markdown_rows(text)} == {len(markdown_rows(text)[0])}
    assert page.count("<table>") == 1
    assert not re.search(r"<(script|a|img|code>\s*</code)", page)
    assert page.count("<h1>") == 1
    assert page.count("<pre>") == 1
    assert "rm -rf # title" in page
    assert not re.search(r"@everyone|https?://evil|www\.evil", text)


def test_hostile_names_are_no_formula_in_csv() -> None:
    text = render(hostile_board(), "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(HOSTILE) + 1
    for row in rows:
        for name in ("label", "method", "preset", "text"):
            assert not row[name].lstrip().startswith(("=", "+", "-", "@", "＝")), row[name]
    assert {row["method"].lstrip("'").strip() for row in rows} >= {"=HYPERLINK(1)", "骨格 ünïcode", '"quoted", comma'}


@pytest.mark.parametrize("form", ["table", "markdown", "csv", "latex", "html"])
@pytest.mark.parametrize("details", [False, True])
def test_no_control_character_is_ever_written(form: str, details: bool) -> None:
    text = render(hostile_board(), form, details=details)
    text = with_block_unpacked(text) if form == "html" else text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]", text)


def test_json_keeps_names_exactly_and_is_ascii() -> None:
    text = render(hostile_board(), "json")
    assert {row["method"] for row in json.loads(text)["rows"]} == {*HOSTILE, "plain"}
    assert text.isascii()


def test_markup_in_names_is_not_obeyed_by_the_terminal() -> None:
    assert "[red]markup[/red]" in render(hostile_board(), "table")


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_a_narrow_terminal_loses_no_number(width: int) -> None:
    board = build_board(
        [
            record
            for protocol in ("linear", "knn", "finetune", "semi")
            for method, base in (("mamp", 0.6), ("joint_to_motion", 0.5))
            for record in three(method, base, base + 0.01, base + 0.02, protocol=protocol)
        ]
    )
    out = io.StringIO()
    print_board(board, Console(file=out, width=width, color_system=None, legacy_windows=False), **EVERYTHING)
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert text.count("61.0 ± 1.0 (3)") == 4
    assert text.count("[58.5, 63.5]") == 4
    assert text.count("[48.5, 53.5]") == 4


def test_an_unknown_format_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no format 'markdwn'; did you mean 'markdown'"):
        render(build_board([]), "markdwn")


def test_a_board_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    board = build_board(three("mamp", 0.5, 0.6))
    write_board(board, "markdown", tmp_path / "docs" / "board.md")
    assert (tmp_path / "docs" / "board.md").read_bytes().decode() == render(board, "markdown")
    (tmp_path / "taken").mkdir()
    with pytest.raises(RunError, match="taken"):
        write_board(board, "csv", tmp_path / "taken")
    with pytest.raises(RunError, match="cannot be written"):
        write_board(board, "csv", tmp_path / "docs" / "board.md" / "below")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("share", "shown"), [(0.0, "0.0"), (-0.0001, "0.0"), (1.0, "100.0"), (0.12345, "12.3"), (None, "-")]
)
def test_percent(share: float | None, shown: str) -> None:
    assert percent(share) == shown
