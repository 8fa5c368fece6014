"""Where boards of today differ from the frozen ones on purpose, and why.

Since ``867c4ca`` n counts pretrainings and not seeds of evaluations, rows of one pretraining claim nothing, equal
means are no order, means are over columns of one protocol alone, and boards name their seeds. Classes of a benchmark
in a local folder are numbered in HTML, since boards run no code of one. LaTeX tables have a caption and a label. Every
number of the frozen boards stayed as it was, but the mean of a ``linear`` and a ``knn`` score, which is no longer made.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sslskel.leaderboard.formats.latex import escape as latex
from sslskel.text import escape as markdown

SENTENCES = (
    (
        "mean ± standard deviation (number of seeds) [95 % t interval of the mean]. The mean over columns is empty"
        " where a number is missing.",
        "mean ± standard deviation over pretrainings (how many) [95 % t interval over pretrainings, on these test"
        " clips].",
    ),
    (
        "mamp has the highest mean, 66.7 %, before random_init, 66.7 %; with a single seed nothing is known of the"
        " order",
        "mamp, random_init share the highest mean, 66.7 %",
    ),
    (
        "with a single seed nothing is known of the order",
        "it has one pretraining, and a claim needs 3",
    ),
    ("untested for want of seeds: mamp", "untested: mamp (one pretraining)"),
)
"""What boards said and what they say, in every format."""
SCORES = f"Scores in % on the test part: {SENTENCES[0][1]}"
"""What the caption of a LaTeX table says now."""
NOTE = "pretrainings: seed 0: mamp, random_init"
"""A line that they have now, before the one that begins with ``preset``."""
PIECES: dict[str, tuple[tuple[str, str], ...]] = {
    "table": (
        ("┳━━━━━━┓", "┓"),
        ("╇━━━━━━┩", "┩"),
        ("┴──────┘", "┘"),
        ("┃ mean ┃", "┃"),
        ("│ 75.0 │", "│"),
        ("(1) │ 66.7 │", "(1) │"),
        ("preset cpu:", f"{NOTE} preset cpu:"),
    ),
    "markdown": (
        ("| mean |", "|"),
        ("---: | ---: | ---: |", "---: | ---: |"),
        ("| 75.0 |", "|"),
        ("(1) | 66.7 |", "(1) |"),
        ("- preset cpu:", f"- {markdown(NOTE)} - preset cpu:"),
    ),
    "latex": (
        (
            r"\centering\footnotesize",
            rf"\centering\footnotesize \caption{{tiny/xsub. {latex(SCORES)}}} \label{{tab:tiny-xsub}}",
        ),
        (rf"\raggedright {latex(SCORES)} ", r"\raggedright "),
        ("{lllrrr}", "{lllrr}"),
        (r" & mean \\", r" \\"),
        (r" & 75.0 \\", r" \\"),
        (r"(1) & 66.7 \\", r"(1) \\"),
        (r"\par preset cpu:", rf"\par {latex(NOTE)} \par preset cpu:"),
    ),
    "csv": (
        (",scores,bold", ",scores,evaluations,above_all,bold"),
        ("583.6651211150579,0.75,", "583.6651211150579,,"),
        ("0.0,0.0,0.6666666666666666,", "0.0,0.0,,"),
        ("0.6666666666666666,0,0,", "0.6666666666666666,1,,0,0,0,0,"),
        ("0.8333333333333334,0,0,", "0.8333333333333334,1,,0,0,0,0,"),
        (",leak,", ",leak,unproven,swept,"),
    ),
    "html": (
        (
            "21bdabdaa36c2cde9cf1dd737bc65a01f99d9ad766e832d5ce9594a638ac1129",
            "2bf02e4a5bd33e3f9b6d1d78faa1e29752d5a2cff6f46ac66841921b665f0aab",
        ),
    ),
}
"""The same of one format. Of an HTML page there is only a digest."""
ESCAPES: dict[str, Callable[[str], str]] = {"markdown": markdown, "latex": latex}
BOARD = {"across", "intervals_over_clips", "means"}
ROW, CELL = {"means"}, {"above_all", "fixed", "pretrainings", "swept", "unproven"}
"""What JSON has now and had not."""


def in_todays_words(form: str, text: str) -> list[str]:
    """The words of a frozen board, as a board of today says them; raises ``AssertionError`` for one it never said."""
    if form == "json":
        content = json.loads(text)
        content["schema"] = 2
        content["notes"].insert(2, NOTE)
        content["findings"] = [_reworded(finding, str) for finding in content["findings"]]
        for row in content["rows"]:
            del row["mean"]
        return [json.dumps(content, indent=1, sort_keys=True)]
    text = " ".join(text.split())
    if form not in ("csv", "html"):
        text = _reworded(text, ESCAPES.get(form, str))
    for old, new in PIECES[form]:
        assert old in text, f"the {form} board never said: {old}"
        text = text.replace(old, new)
    return text.split()


def without_additions(form: str, text: str) -> list[str]:
    """The words of a board of today, without what JSON had no place for."""
    if form != "json":
        return text.split()
    content: dict[str, Any] = json.loads(text)
    parts = [(content, BOARD), *((row, ROW) for row in content["rows"])]
    parts += [(cell, CELL) for row in content["rows"] for cell in row["cells"]]
    for part, added in parts:
        for name in added:
            del part[name]
    return [json.dumps(content, indent=1, sort_keys=True)]


def _reworded(text: str, escape: Callable[[str], str]) -> str:
    for old, new in SENTENCES:
        text = text.replace(escape(old), escape(new))
    return text
