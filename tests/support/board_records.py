"""Records and boards for tests, made of one record that was stored long ago."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

from sslskel.leaderboard.build import build_board
from sslskel.leaderboard.model import Board, BoardCell
from sslskel.results.record import Record, parse_record

STORED = json.loads((Path(__file__).resolve().parents[1] / "results" / "record_v1.json").read_text(encoding="utf-8"))


def made(method: str = "mamp", score: float = 0.5, seed: int = 0, protocol: str = "linear", **changes: Any) -> Record:
    """A record with weights of its own; ``part__name=value`` sets a nested field, ``part__group__name`` one deeper."""
    content = copy.deepcopy(STORED) | {"seed": seed, "predictions": None, "scores": {"top1": score}}
    content["method"]["name"] = method
    content["protocol"]["name"] = protocol
    content["epoch"] = None if protocol == "knn" else 100
    for path, value in changes.items():
        *parents, last = path.split("__")
        part = content
        for parent in parents:
            part = part[parent]
        part[last] = value
    facts = json.dumps([content, method, seed, protocol], sort_keys=True).encode()
    if "pretrain_identity" not in changes:
        content["pretrain_identity"] = hashlib.sha256(facts + b"pretrain").hexdigest()[:32]
    if "weights_sha256" not in changes:
        content["weights_sha256"] = hashlib.sha256(facts + b"weights").hexdigest()
    content["identity"] = hashlib.sha256(facts).hexdigest()[:32]
    return parse_record(json.dumps(content))


def three(method: str, *scores: float, **changes: Any) -> list[Record]:
    return [made(method, score, seed, **changes) for seed, score in enumerate(scores)]


def cell_of(board: Board, label: str, position: int = 0) -> BoardCell | None:
    [row] = [row for row in board.rows if row.label == label]
    return row.cells[position]


def bold_rows(board: Board) -> list[str]:
    """Labels of the rows that are bold in the first column."""
    return [row.label for row in board.rows if row.cells[0] is not None and row.cells[0].bold]


def labels_of(board: Board) -> list[str]:
    return [row.label for row in board.rows]


def mixed_records() -> list[Record]:
    return [
        *three("mamp", 0.61, 0.64, 0.66),
        *three("mamp", 0.51, 0.55, 0.53, protocol="knn"),
        *three("skeletonmae", 0.6, 0.62),
        *three("random_init", 0.31, 0.3, 0.32, seen=[]),
        *three("random_init", 0.2, 0.2, 0.2, seen=[], protocol="knn"),
        *three("mamp", 0.7, 0.71, 0.72, config__method__mask_ratio=0.8),
        *three("mamp", 0.9, benchmark__name="ntu60", benchmark__fingerprint="f" * 64, benchmark__warning="small"),
        *three("mamp", 0.8, preset="cpu-200", config__train__epochs=200),
    ]


HOSTILE = [
    "a|b",
    "`code`",
    "<script>alert(1)</script>",
    "**bold** _it_ ~~s~~",
    "[x](http://evil.example)",
    "![x](y)",
    "line\nbreak\r\n| --- |",
    "=HYPERLINK(1)",
    "+1+1",
    "-2",
    "@SUM(A1)",
    "\t=1",
    " =2",
    "＝1",
    '"quoted", comma',
    "[red]markup[/red]",
    "\x1b[31mescape\x1b[0m",
    "\u202eturned",
    "zero\u200bwidth",
    "$x^2$",
    "&lt;b&gt;",
    "@everyone",
    "https://evil.example www.evil.example",
    "\\|",
    "'quote",
    "-",
    "骨格 ünïcode",
]


def hostile_board() -> Board:
    records = [record for index, name in enumerate(HOSTILE) for record in three(name, 0.3 + index / 100, 0.31)]
    return build_board([*records, *three("plain", 0.9, preset="<b>|", command="`` ``` `` | rm -rf\n# title")])
