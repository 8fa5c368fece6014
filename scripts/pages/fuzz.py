"""Damages tiny files of every kind, reads each as the product does, and counts what came of it.

Usage: python scripts/pages/fuzz.py --inputs 100000 --seed 0 [--only WORD] [--folder COUNTS] [--output PAGE].
Ends with 1 where an input ended in anything but a sentence, what was there before, or a change that the damage
explains. An hour of one core; with --folder an interrupted run goes on where it was.

Readers and damages are declared in tests/support/fuzz.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# This file is called like the package that it runs.
beside = [path for path in sys.path if Path(path).resolve() != Path(__file__).resolve().parent]
sys.path[:] = [str(ROOT), str(ROOT / "tests" / "support"), *beside]

from fuzz.catalogue import readers  # noqa: E402
from fuzz.oracle import CHANGED, FAULT, REFUSED, UNCHANGED  # noqa: E402
from fuzz.pieces import pieces_of, run  # noqa: E402
from fuzz.specimens import Reader  # noqa: E402
from fuzz.trial import Fault  # noqa: E402

PAGE = "docs/measured/fuzz.md"
SHOWN = 40
"""Faults that are printed."""
TEXT = """# Damaged files before every reader

A tiny valid file of every kind that sslskel reads was damaged {total:,} times, once each, and read in the way of a
command: bits flipped, bytes changed, put in, taken out, doubled, cut, spliced and swapped; in text also numbers
replaced by `nan`, `1e999`, nothing, words and the like, tokens and lines dropped, doubled and swapped, marks, blanks
and NUL put in; in JSON, YAML, pickles and archives also values of other types, keys and members gone, doubled or
renamed, and deep nesting. Input N of a reader is the same at each run. Made by

```sh
{command}
```

Every input must end in one of three ways, and the same way when it is read again:

- **refused**: one sentence of at most 800 characters that names the file;
- **unchanged**: what was read is what the file held before the damage;
- **changed**: what was read is finite and differs by no more than the damage stands for, or the report says so. One
  number of a text file changes one joint (of motion capture: its clip), a line its frame; clips of other files stay as
  they are. Where files carry checksums (prepared data, archives, records, checkpoints, features, released weights) no
  damaged byte may change anything.

Anything else is a fault: another exception, a crash, 10 s of work, 1 GiB of memory, a warning of numpy, two outcomes, a
change that nothing explains.

**{faults} faults in {total:,} inputs.**

| reader | inputs | refused | unchanged | changed | faults |
|---|---|---|---|---|---|
{rows}
| all | {total:,} | {refused:,} | {unchanged:,} | {changed:,} | {faults:,} |
"""


def main() -> int:
    """Run what is asked for, print the counts and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=5000, help="of all readers together (default: 5000)")
    parser.add_argument("--seed", type=int, default=0, help="which inputs (default: 0)")
    parser.add_argument("--only", default="", metavar="WORD", help="readers whose name has this word")
    parser.add_argument("--folder", type=Path, help="keep counts there, so that an interrupted run continues")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument("--output", type=Path, metavar="PAGE", help=f"write the page, for instance {PAGE}")
    options = parser.parse_args()
    chosen = [reader for reader in readers() if options.only in reader.name]
    if not chosen:
        print(f"no reader has the word '{options.only}'", file=sys.stderr)
        return 1
    shm = Path("/dev/shm")
    place = Path(tempfile.mkdtemp(prefix="fuzz-", dir=shm if os.access(shm, os.W_OK) else None))
    try:
        folder = options.folder or place / "counts"
        folder.mkdir(parents=True, exist_ok=True)
        counts, faults = counted(chosen, options, folder, place)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    print_counts(counts, faults)
    if options.output:
        options.output.write_text(page(counts, options), encoding="utf-8")
    return int(bool(faults))


def counted(
    chosen: Sequence[Reader], options: argparse.Namespace, folder: Path, place: Path
) -> tuple[dict[str, Counter[str]], list[Fault]]:
    """Counts of every reader, and all faults."""
    import torch

    torch.set_num_threads(1)
    pieces = pieces_of(chosen, options.inputs, options.seed)
    counts: dict[str, Counter[str]] = {reader.name: Counter() for reader in chosen}
    faults: list[Fault] = []
    began = said = time.monotonic()
    for ended in run(pieces, folder, place, options.workers):
        counts[ended.piece.reader.name].update(ended.counts)
        faults += ended.faults
        if time.monotonic() - said > 60:
            said = time.monotonic()
            done = sum(map(Counter.total, counts.values()))
            print(f"{done:,} of {options.inputs:,} inputs, {len(faults)} faults, {said - began:.0f} s", flush=True)
    return counts, faults


def print_counts(counts: Mapping[str, Counter[str]], faults: Sequence[Fault]) -> None:
    """A line per reader, and the first faults."""
    for name, own in counts.items():
        listed = ", ".join(f"{what} {own[what]:,}" for what in (REFUSED, UNCHANGED, CHANGED, FAULT))
        print(f"{name}: {own.total():,} inputs: {listed}")
    for fault in faults[:SHOWN]:
        print(f"fault: {fault.reader}, input {fault.number}, {fault.damage}: {fault.why}", file=sys.stderr)
    print(f"{sum(map(Counter.total, counts.values())):,} inputs, {len(faults):,} faults")


def page(counts: Mapping[str, Counter[str]], options: argparse.Namespace) -> str:
    """The whole page."""
    words = ["--only", options.only] if options.only else []
    words = [
        "--inputs",
        str(options.inputs),
        "--seed",
        str(options.seed),
        *words,
        "--output",
        options.output.as_posix(),
    ]
    total = sum(counts.values(), Counter())
    rows = [
        f"| {name} | {own.total():,} | {own[REFUSED]:,} | {own[UNCHANGED]:,} | {own[CHANGED]:,} | {own[FAULT]:,} |"
        for name, own in counts.items()
    ]
    return TEXT.format(
        command=shlex.join(["python", "scripts/pages/fuzz.py", *words]),
        total=total.total(),
        refused=total[REFUSED],
        unchanged=total[UNCHANGED],
        changed=total[CHANGED],
        faults=total[FAULT],
        rows="\n".join(rows),
    )


if __name__ == "__main__":
    sys.exit(main())
