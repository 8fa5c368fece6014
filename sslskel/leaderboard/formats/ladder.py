"""The ladder as text: Markdown, CSV, and one HTML page with a picture of score against cost."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence

from markupsafe import Markup

from sslskel.errors import UsageError
from sslskel.leaderboard.formats.csv_json import csv_value
from sslskel.leaderboard.formats.paper_table import DESCRIBED
from sslskel.leaderboard.ladder import Ladder, Rung
from sslskel.text import EMPTY, fenced, percent, plain, table
from sslskel.text import escape as in_markdown

FORMS = ("table", "markdown", "csv", "html")
FRONT = "◆"
ABOUT = (
    f"{FRONT} marks the front: no method has as high a mean for as little or less. {DESCRIBED} stands behind systems"
    " written after their description alone. Numbers with †, ‡ or § rank nothing, as on a board. Cost is of one"
    " pretraining on each benchmark that has a number, or on every one where none has."
)
WIDE, HIGH, EDGE = 640, 360, 48
"""Of the picture, in pixels."""


def render_ladder(ladder: Ladder, form: str) -> str:
    """The ladder as table or markdown (the same), csv or html. Raises ``UsageError`` for another form."""
    if form not in FORMS:
        raise UsageError(f"the ladder has no format '{form}'; take {', '.join(FORMS)}")
    makers = {"table": _markdown, "markdown": _markdown, "csv": _csv, "html": _html}
    return makers[form](ladder)


def _head(ladder: Ladder) -> list[str]:
    columns = [plain(column.title) for column in ladder.columns]
    return ["method", "preset", "parameters", "steps", "clips seen", "GPU-hours", *columns, "mean", "front"]


def _line(one: Rung) -> list[str]:
    """A rung's cells as people read them."""
    spent = one.effort
    costs = [EMPTY] * 4
    if spent is not None:
        parameters = EMPTY if spent.parameters is None else f"{spent.parameters:,}"
        costs = [parameters, f"{spent.steps:,}", f"{spent.clips:,}", hours(spent.gpu_hours)]
    scores = [EMPTY if cell is None else cell.words(counts=True) for cell in one.cells]
    name = f"{one.label} {DESCRIBED}" if one.described else one.label
    return [plain(name), plain(one.preset), *costs, *scores, percent(one.mean), FRONT if one.front else ""]


def hours(number: float | None) -> str:
    """Two digits of a number of hours."""
    if number is None:
        return EMPTY
    return f"{number:.2g}" if number < 100 else f"{number:,.0f}"


def _markdown(ladder: Ladder) -> str:
    head = _head(ladder)
    lines = [[*map(in_markdown, _line(one))] for one in ladder.rungs]
    blocks = [
        "# The ladder: score against cost",
        f"All scores: {in_markdown(ladder.title)}. {in_markdown(ABOUT)}",
        table([*map(in_markdown, head)], lines, range(2, len(head) - 1)),
        *([_listed("Beware:", ladder.warnings)] if ladder.warnings else []),
        _listed("Made:", ladder.notes),
        f"By:\n\n{fenced(ladder.commands)}",
    ]
    return "\n\n".join(blocks) + "\n"


def _listed(title: str, lines: Sequence[str]) -> str:
    return "\n".join([title, "", *(f"- {in_markdown(line)}" for line in lines)])


def _csv(ladder: Ladder) -> str:
    """One line per method, numbers in full, shares from 0 to 1; what is not there is empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*map(csv_value, [*_head(ladder), "described"])])
    for one in ladder.rungs:
        spent = one.effort
        costs = (None,) * 4 if spent is None else (spent.parameters, spent.steps, spent.clips, spent.gpu_hours)
        scores = [None if cell is None else cell.summary.mean for cell in one.cells]
        values = (one.label, one.preset, *costs, *scores, one.mean, int(one.front), int(one.described))
        writer.writerow([*map(csv_value, values)])
    return buffer.getvalue()


def _html(ladder: Ladder) -> str:
    """One file that loads nothing and runs no script."""
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(name) for name in _head(ladder))
    rows = Markup("\n").join(
        Markup("<tr{}>{}</tr>").format(
            Markup(' class="front"') if one.front else "",
            Markup("").join(Markup("<td>{}</td>").format(cell) for cell in _line(one)),
        )
        for one in ladder.rungs
    )
    lists = Markup("\n").join(
        Markup("<h2>{}</h2><ul>{}</ul>").format(
            title, Markup("").join(Markup("<li>{}</li>").format(plain(line)) for line in lines)
        )
        for title, lines in (("Beware", ladder.warnings), ("Made", ladder.notes), ("By", ladder.commands))
        if lines
    )
    page = PAGE.format(
        about=f"All scores: {plain(ladder.title)}. {ABOUT}", picture=_picture(ladder), head=head, rows=rows, lists=lists
    )
    return str(page) + "\n"


PAGE = Markup("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>The ladder: score against cost</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 1rem auto; max-width: 80rem; padding: 0 1rem; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: .2rem .6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #8886; }}
th:first-child, td:first-child {{ text-align: left; }}
tr.front {{ font-weight: bold; }}
svg {{ max-width: 100%; height: auto; }}
svg text {{ font-size: 12px; fill: currentColor; }}
</style>
</head>
<body>
<h1>The ladder: score against cost</h1>
<p>{about}</p>
{picture}
<div class="wide" tabindex="0" role="region" aria-label="The ladder">
<table>
<thead><tr>{head}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>
{lists}
</body>
</html>""")


def _picture(ladder: Ladder) -> Markup:
    """Mean score against the logarithm of GPU-hours; nothing where fewer than two methods have both."""
    points = [
        (math.log10(one.effort.gpu_hours), one.mean, one)
        for one in ladder.rungs
        if one.mean is not None and one.effort is not None and one.effort.gpu_hours
    ]
    if len(points) < 2:
        return Markup("")
    across, up = (
        _scale([x for x, _, _ in points], EDGE, WIDE - EDGE),
        _scale([y for _, y, _ in points], HIGH - EDGE, EDGE),
    )
    marks = Markup("").join(
        Markup(
            '<circle cx="{}" cy="{}" r="{}" fill="{}"><title>{}</title></circle><text x="{}" y="{}">{}</text>'
        ).format(
            f"{across(x):.1f}",
            f"{up(y):.1f}",
            6 if one.front else 4,
            "currentColor" if one.front else "#888",
            f"{plain(one.label)}: {percent(y)} %, {hours(one.effort.gpu_hours if one.effort else None)} GPU-hours",
            f"{across(x) + 8:.1f}",
            f"{up(y) + 4:.1f}",
            plain(one.label) if one.front else "",
        )
        for x, y, one in points
    )
    line = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y, one in sorted(points, key=lambda p: p[0]) if one.front)
    return Markup(
        '<svg viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="Mean score against GPU-hours, growing'
        ' tenfold in equal steps"><polyline points="{}" fill="none" stroke="currentColor"/>{}'
        '<text x="{}" y="{}">GPU-hours, tenfold in equal steps</text><text x="4" y="16">mean score</text></svg>'
    ).format(WIDE, HIGH, WIDE, HIGH, line, marks, EDGE, HIGH - 12)


def _scale(values: Sequence[float], low: float, high: float) -> Callable[[float], float]:
    """Places for values between two pixels."""
    least, most = min(values), max(values)
    span = (most - least) or 1.0
    return lambda value: low + (value - least) / span * (high - low)
