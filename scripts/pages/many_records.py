"""Times `sslskel leaderboard` on a folder of many records: processor seconds with start-up, and most memory held.

Usage: python scripts/pages/many_records.py [--records N] [--before CHECKOUT] [--pairs N]. With another checkout, say of
an earlier commit, both make the board of the same folder in bracketed pairs (before, after, after, before), and must
make the same one. Prints a Markdown table; docs/measured/scale.md keeps one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from sslskel.results.record import parse_record

ROOT = Path(__file__).resolve().parents[2]
METHODS, CLASSES = 25, 60
PLACES = [(split, protocol) for split in ("xview", "xsub") for protocol in ("linear", "knn", "retrieval", "finetune")]


class Made(NamedTuple):
    """What one process took."""

    seconds: float
    mebibytes: float
    board: str
    """Digest of the text."""


def fill(folder: Path, count: int) -> None:
    """Write records as a grid writes them: signed, with the recalls of 60 classes, without predictions."""
    stored = parse_record((ROOT / "tests" / "results" / "record_v1.json").read_text(encoding="utf-8"))
    generator = random.Random(0)
    folder.mkdir(parents=True)
    for number in range(count):
        pretraining, place = divmod(number, len(PLACES))
        seed, method = divmod(pretraining, METHODS)
        split, protocol = PLACES[place]
        recalls = [round(generator.random(), 6) for _ in range(CLASSES)]
        record = replace(
            stored,
            identity=_hex("record", number)[:32],
            pretrain_identity=_hex("pretraining", pretraining)[:32],
            weights_sha256=_hex("weights", pretraining),
            method={**stored.method, "name": f"method_{method:02}"},
            benchmark={**stored.benchmark, "split": split},
            protocol={**stored.protocol, "name": protocol},
            scores={name: round(generator.random(), 4) for name in stored.scores},
            cost={name: cost and cost * generator.uniform(1, 2) for name, cost in stored.cost.items()},
            diagnostics={"all": {"clips": 381, "macro": generator.random(), "per_class": recalls}},
            seed=seed,
            predictions=None,
        )
        (folder / f"{record.identity}.json").write_text(record.signed().to_json(), encoding="utf-8")


def _hex(kind: str, number: int) -> str:
    return hashlib.sha256(f"{kind} {number}".encode()).hexdigest()


def make(checkout: Path, folder: Path) -> Made:
    """The board of a folder by the command of a checkout, whose bytecode is kept beside the folder."""
    board = folder.with_name("board.md")
    env = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    env |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder.with_name("bytecode"))}
    command = [sys.executable, "-P", "-m", "sslskel", "leaderboard", "--results", str(folder), "--output", str(board)]
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    digest = hashlib.sha256(board.read_bytes()).hexdigest()
    return Made(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, digest)


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--before", type=Path, help="another checkout of sslskel")
    parser.add_argument("--pairs", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder, few = Path(place, "many"), Path(place, "few")
        fill(folder / "records", options.records)
        fill(few / "records", len(PLACES))
        order = [options.before, ROOT, ROOT, options.before] if options.before else [ROOT]
        for checkout in {*order}:
            # The first command after an installation compiles what it imports.
            make(checkout, few)
        runs = [(checkout, make(checkout, folder)) for _ in range(options.pairs) for checkout in order]
    assert len({made.board for _, made in runs}) == 1, "the boards differ"
    print(f"| a board of {options.records:,} records | CPU seconds | MiB |\n|---|---|---|")
    for name, checkout in (("before", options.before), ("now", ROOT)):
        own = [made for by, made in runs if by == checkout]
        if own:
            seconds, most = (statistics.median(column) for column in list(zip(*own, strict=True))[:2])
            print(f"| {name} | {seconds:.1f} | {most:.0f} |")
    if options.before:
        pairs = [runs[start : start + 4] for start in range(0, len(runs), 4)]
        ratios = [(a.seconds + d.seconds) / (b.seconds + c.seconds) for (_, a), (_, b), (_, c), (_, d) in pairs]
        print(f"\n{json.dumps({'ratios': [round(ratio, 2) for ratio in ratios]})}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
