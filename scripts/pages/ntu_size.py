"""Times what a run costs besides its networks on a generated dataset of NTU-60's size, on one core.

Usage: python scripts/pages/ntu_size.py [--clips N] [--before CHECKOUT] [--output docs/measured/scale.md]. Clips are
made from a seed and thrown away. With another checkout, say of an earlier commit, both load the same batches in
bracketed pairs (before, now, now, before). Rates are by processor time, which other work on a machine hardly changes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from saturation import made_store

from sslskel.api.noise import Noise
from sslskel.data.loader import ClipSource
from sslskel.data.step_views import step_views
from sslskel.data.store.store import open_dataset
from sslskel.engine.device import keep_freed_memory
from sslskel.engine.sampler import EpochSampler
from sslskel.evaluation.linear_head import LinearHead, fit_epoch, mini_batches
from sslskel.evaluation.neighbours import nearest, similarities
from sslskel.plugins.registry import BENCHMARKS
from sslskel.transforms.clip import clip_spec
from sslskel.transforms.views import crop_view, shifted_view

ROOT = Path(__file__).resolve().parents[2]
MARKS = ("<!-- ntu size -->", "<!-- end of ntu size -->")
COUNTS = BENCHMARKS.get("ntu60").expected
CLIPS, TEST, FRAMES, DIM, CLASSES = COUNTS["clips"], COUNTS["xsub/test"], 80, 256, 60
"""Of NTU-60; how long its clips are on average, and a usual feature."""
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


def seconds(work: Callable[[], object]) -> float:
    """Processor seconds of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def others(store: Path, clips: int) -> dict[str, float]:
    """Processor seconds of what is done once a run, an epoch or an evaluation."""
    torch.set_num_threads(1)
    dataset = open_dataset(store)
    train = clips - clips * TEST // CLIPS
    known, asked = torch.randn(train, DIM), torch.randn(clips - train, DIM)
    labels = torch.arange(train) % CLASSES

    def epoch() -> None:
        head = LinearHead(DIM, CLASSES, Noise(0, 0), torch.float32)
        optimiser = torch.optim.SGD(head.parameters(), 0.1, momentum=0.9)
        batches = mini_batches(torch.arange(train), 256)
        fit_epoch(head, optimiser, known, labels, batches, [0.1] * len(batches))

    return {
        "open the dataset": seconds(lambda: open_dataset(store)),
        "order of an epoch": seconds(lambda: EpochSampler(train, BATCH, 0, True).batch(0)),
        "5 nearest neighbours of the test part": seconds(lambda: nearest(asked, known, 5)),
        "similarities for retrieval, in blocks": seconds(lambda: [None for _ in similarities(asked, known, 1024)]),
        "an epoch of a linear head on features": seconds(epoch),
        "names of all clips": seconds(lambda: list(dataset.names)),
    }


def page(clips: int, sides: dict[str, list[dict[str, float]]], costs: dict[str, float]) -> str:
    """Both tables in Markdown."""
    lines = [f"{clips:,} clips, one core; rates are medians of {len(sides['now'])} processes.", ""]
    lines += ["| views | before, clips a second | now | ratio: median (range) |", "|---|---|---|---|"]
    for name in sides["now"][0]:
        now = [rates[name] for rates in sides["now"]]
        before = [rates[name] for rates in sides.get("before", [])]
        ratios = [own / other for own, other in zip(now, before, strict=False)]
        text = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if ratios else ""
        was = f"{statistics.median(before):,.0f}" if before else ""
        lines.append(f"| {name} | {was} | {statistics.median(now):,.0f} | {text} |")
    lines += ["", "| done once | CPU seconds |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {cost:.2f} |" for name, cost in costs.items())])


def main() -> int:
    """Make the clips, measure, and write or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=CLIPS)
    parser.add_argument("--before", type=Path, help="another checkout of sslskel")
    parser.add_argument("--output", type=Path, help="page whose marked part is replaced (default: print)")
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        print(json.dumps(loading(options.load)))
        return 0
    with tempfile.TemporaryDirectory() as place:
        store = made_store(Path(place) / "made", options.clips, FRAMES, real=True)
        sides: dict[str, list[dict[str, float]]] = {}
        for number in range(2 * PAIRS):
            pair = [("before", options.before), ("now", ROOT)] if options.before else [("now", ROOT)]
            for side, checkout in pair if number % 2 == 0 else reversed(pair):
                sides.setdefault(side, []).append(loaded_by(checkout, store))
        text = page(options.clips, sides, others(store, options.clips))
    if options.output is None:
        print(text)
        return 0
    whole = options.output.read_text(encoding="utf-8")
    head, rest = whole.split(MARKS[0])
    options.output.write_text(f"{head}{MARKS[0]}\n{text}\n{MARKS[1]}{rest.split(MARKS[1])[1]}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
