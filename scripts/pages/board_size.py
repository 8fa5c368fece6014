"""Measures the HTML board of many records: its size, and what a reader's browser has to unpack.

Usage: python scripts/pages/board_size.py [RECORDS]. Prints a Markdown table; the target is 5 MB for 20,000 records.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

from sslskel.leaderboard import build_board, render
from sslskel.leaderboard.model import Board
from sslskel.results.record import Record, parse_record

STORED = Path(__file__).resolve().parents[2] / "tests" / "results" / "record_v1.json"
SEEDS = 5
SHAPES = {"40 methods, 100 columns": (40, 1, 10, 10), "20 methods swept to 2,000 rows, 2 columns": (20, 100, 1, 2)}
"""Methods, options of each, benchmarks and protocols; for 20,000 records of five seeds."""


def board_like(shape: tuple[int, int, int, int], records: int = 20_000) -> Board:
    """A board of about so many records, whose digests, scores and costs all differ as those of real ones do."""
    methods, swept, benchmarks, protocols = shape
    share = records / (methods * swept * benchmarks * protocols * SEEDS)
    if swept > 1:
        swept = max(1, round(swept * share))
    else:
        methods = max(1, round(methods * share))
    return build_board(list(_records(methods, swept, benchmarks, protocols)))


def _records(methods: int, swept: int, benchmarks: int, protocols: int) -> Iterator[Record]:
    stored = parse_record(STORED.read_text(encoding="utf-8"))
    draw = random.Random(0)
    for method, option, place, seed in product(range(methods), range(swept), range(benchmarks), range(SEEDS)):
        pretrained, weights = (_digest(f"{kind}{method}-{option}-{place}-{seed}") for kind in ("p", "w"))
        config = json.loads(json.dumps(stored.config))
        config["method"]["mask_ratio"] = 0.5 + option / 1000
        for protocol in range(protocols):
            yield replace(
                stored,
                identity=_digest(f"{pretrained}-{protocol}")[:32],
                pretrain_identity=pretrained[:32],
                weights_sha256=weights,
                method={**stored.method, "name": f"method_{method:02d}"},
                benchmark={**stored.benchmark, "name": f"data_{place}", "fingerprint": _digest(f"data{place}")},
                protocol={**stored.protocol, "name": f"protocol_{protocol}"},
                config=config,
                seed=seed,
                predictions=None,
                scores={"top1": round(draw.gauss(0.5 + method / 1000, 0.02), 6), "top5": round(draw.random(), 6)},
                cost={name: value and value * draw.uniform(0.9, 1.1) for name, value in stored.cost.items()},
                created=f"2026-01-{1 + seed:02d}T{place:02d}:{draw.randrange(60):02d}:{draw.randrange(60):02d}Z",
            )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def main() -> None:
    """Print the size of the page for each shape."""
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    print("| board | records | page, MB | written in CPU s |\n|---|---|---|---|")
    for title, shape in SHAPES.items():
        board = board_like(shape, records)
        start = time.process_time()
        page = render(board, "html")
        seconds = time.process_time() - start
        print(f"| {title} | {len(board.records):,} | {len(page.encode()) / 1e6:.2f} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
