"""Times what a run costs besides its training on a generated dataset of NTU-60's size, on one core.

Usage: python scripts/pages/ntu_size.py [--clips N] [--before CHECKOUT] [--keep FOLDER] [--output
docs/measured/scale.md]. Clips are made from a seed and thrown away. With another checkout, say of an earlier commit,
both load the same batches in bracketed pairs (before, now, now, before). With a folder to keep, clips and each
measurement stay there, and the same command goes on from them. Rates are by processor time, which other work on a
machine hardly changes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from evaluation_work import CLIPS, ENCODED, made_features, seconds, test_part, works
from saturation import made_store

from sslskel.api.noise import Noise
from sslskel.data.loader import ClipSource
from sslskel.data.step_views import step_views
from sslskel.data.store.store import open_dataset
from sslskel.engine.device import keep_freed_memory
from sslskel.engine.sampler import EpochSampler
from sslskel.files import publish
from sslskel.transforms.clip import clip_spec
from sslskel.transforms.views import crop_view, shifted_view

ROOT = Path(__file__).resolve().parents[2]
MARKS = ("<!-- ntu size -->", "<!-- end of ntu size -->")
FRAMES = 80
"""Of a clip of NTU-60 on average."""
BATCH, BATCHES, PAIRS = 128, 16, 2
VIEWS = {
    "crop (masked methods)": 1,
    "shift and shear, two views (methods on ST-GCN)": 2,
    "crop, corruption or shear, two views (methods on a GRU)": 2,
}
"""Number of views by their kind."""


def loading(store: Path) -> dict[str, float]:
    """Clips a second by view and place, each the median over batches."""
    from sslskel.config.groups import ClipConfig

    keep_freed_memory()
    torch.set_num_threads(1)
    dataset = open_dataset(store)
    spec = clip_spec(dataset.info, ClipConfig(frames=64))
    rows = np.random.default_rng(0).permutation(len(dataset))[: BATCH * BATCHES]
    kinds = dict(zip(VIEWS, ((spec.train_view,), (shifted_view(spec, 0.5),) * 2, (crop_view(spec),) * 2), strict=True))
    rates = {}
    for place, resident in (("files", False), ("memory", True)):
        source = ClipSource(dataset, rows, spec, resident=resident)
        for name, views in kinds.items():
            taken = []
            for number in range(BATCHES):
                start = time.process_time()
                step_views(source, torch.arange(number * BATCH, (number + 1) * BATCH), views, Noise(0, number))
                taken.append(time.process_time() - start)
            rates[f"{name}, from {place}"] = BATCH / statistics.median(taken[2:])
    return rates


def loaded_by(checkout: Path, store: Path) -> dict[str, float]:
    """Rates of the code of a checkout, in a process of its own."""
    env = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(Path(__file__).resolve()), "--load", str(store)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    rates: dict[str, float] = json.loads(done.stdout)
    return rates


def others(store: Path, clips: int) -> dict[str, float]:
    """Processor seconds of what is done once a run, an epoch or an evaluation."""
    dataset, test = open_dataset(store), test_part(clips)
    known, asked = (made_features(count, torch.device("cpu")) for count in (clips - test, test))
    return {
        "open the dataset": seconds(lambda: open_dataset(store)),
        "order of an epoch": seconds(lambda: EpochSampler(clips - test, BATCH, 0, True).batch(0)),
        **{name: seconds(work) for name, work in works(known, asked).items()},
        "names of all clips": seconds(lambda: list(dataset.names)),
    }


class Measured:
    """What was measured so far, by name, in a file that the same command goes on from."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, dict[str, float]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def of(self, name: str, work: Callable[[], dict[str, float]]) -> dict[str, float]:
        """What was measured under a name, or is now."""
        if name not in self._known:
            self._known[name] = work()
            publish(self._path, json.dumps(self._known).encode(), replace_existing=True)
        return self._known[name]


def page(clips: int, sides: dict[str, list[dict[str, float]]], costs: dict[str, dict[str, float]]) -> str:
    """All tables in Markdown."""
    lines = [f"{clips:,} clips, one core; rates are medians of {len(sides['now'])} processes.", ""]
    compared = "before" in sides
    both = ["before, clips a second", "now", "ratio: median (range)"]
    titles = ["views", *(both if compared else ["clips a second"])]
    lines += [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for name in sides["now"][0]:
        now = [rates[name] for rates in sides["now"]]
        cells = [name, f"{statistics.median(now):,.0f}"]
        if compared:
            before = [rates[name] for rates in sides["before"]]
            ratios = [own / other for own, other in zip(now, before, strict=True)]
            cells.insert(1, f"{statistics.median(before):,.0f}")
            cells.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| done once | CPU seconds |", "|---|---|"]
    lines += [f"| {name} | {cost:.2f} |" for name, cost in costs["once"].items()]
    lines += [
        "",
        f"| features of {clips // ENCODED:,} clips | CPU seconds | of {clips:,} clips, computed |",
        "|---|---|---|",
    ]
    lines += [f"| {name} | {cost:.2f} | {ENCODED * cost:,.0f} |" for name, cost in costs["features"].items()]
    lines += ["", "| records and board | CPU seconds |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {cost:.2f} |" for name, cost in costs["records"].items())])


def measured(folder: Path, clips: int, before: Path | None) -> str:
    """The page, from what lies in a folder and what is measured now."""
    # Another checkout, which loads alone, may not have what these take.
    from evaluation_size import features, records

    store, known = folder / f"made-{clips}", Measured(folder / f"measured-{clips}.json")
    if not store.exists():
        shutil.rmtree(folder / "making", ignore_errors=True)
        made_store(folder / "making", clips, FRAMES, real=True).rename(store)
    torch.set_num_threads(1)
    sides: dict[str, list[dict[str, float]]] = {}
    for number in range(2 * PAIRS):
        pair = [("before", before), ("now", ROOT)] if before else [("now", ROOT)]
        for side, checkout in pair if number % 2 == 0 else reversed(pair):
            rates = known.of(f"loading {side} {number}", lambda: loaded_by(checkout, store))  # noqa: B023
            sides.setdefault(side, []).append(rates)
    costs = {"once": known.of("once", lambda: others(store, clips))}
    for name, work in (("features", lambda own: features(store, own)), ("records", lambda own: records(own, clips))):
        with tempfile.TemporaryDirectory() as own:
            costs[name] = known.of(name, lambda: work(Path(own)))  # noqa: B023
    return page(clips, sides, costs)


def main() -> int:
    """Make the clips, measure, and write or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=CLIPS)
    parser.add_argument("--before", type=Path, help="another checkout of sslskel")
    parser.add_argument("--keep", type=Path, help="folder of what was made and measured, to go on from (default: none)")
    parser.add_argument("--output", type=Path, help="page whose marked part is replaced (default: print)")
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        print(json.dumps(loading(options.load)))
        return 0
    with tempfile.TemporaryDirectory() as place:
        folder = options.keep or Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        text = measured(folder, options.clips, options.before)
    if options.output is None:
        print(text)
        return 0
    whole = options.output.read_text(encoding="utf-8")
    head, rest = whole.split(MARKS[0])
    options.output.write_text(f"{head}{MARKS[0]}\n{text}\n{MARKS[1]}{rest.split(MARKS[1])[1]}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
