"""Measures what a run costs per clip, and computes from that the limits at 1,000 GPUs and a billion clips.

Usage: python scripts/pages/saturation.py [--quick] [--output docs/measured/scale.md]. Prints a Markdown
table: measurements of this machine, and what follows for larger sizes, which is computed, not run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import torch

from sslskel.api.dataset import DatasetInfo
from sslskel.api.noise import Noise
from sslskel.api.skeleton import NTU25
from sslskel.config.groups import ClipConfig
from sslskel.data.loader import ClipSource
from sslskel.data.prepare import open_benchmark
from sslskel.data.store.format import (
    HEADER_BYTES,
    FileFact,
    fact_of,
    fingerprint,
    info_to_json,
    npy_header,
    write_array,
    write_json,
    write_manifest,
)
from sslskel.data.store.rows import CLIP_FIELDS
from sslskel.data.store.store import open_dataset
from sslskel.engine.checkpoint import save_checkpoint
from sslskel.engine.sampler import EpochSampler
from sslskel.grid.buildable import count_weights
from sslskel.grid.request import GridRequest
from sslskel.plugins.registry import BENCHMARKS, METHODS
from sslskel.transforms.clip import clip_spec

GPUS, CLIPS, BATCH = 1000, 10**9, 128
"""The computed size: processes, clips, clips per process and step."""
PERSONS = 1.2
FRAMES = 100
"""Of an average clip; index sizes do not depend on it."""
MEMORY = 16e9
"""Bytes of memory that a process has besides its model: 128 GB for eight processes."""
FEATURE, VIEWS = 128, 2
"""Size of a contrastive feature, and number of views gathered."""


def made_store(folder: Path, clips: int, frames: int, real: bool) -> Path:
    """A store of ``clips`` clips of ``frames`` frames, every fifth of two persons; frames are written if ``real``."""
    folder.mkdir()
    owner = np.repeat(np.arange(clips), np.where(np.arange(clips) % 5 == 4, 2, 1))
    length = np.full(len(owner), frames)
    arrays = dict.fromkeys(CLIP_FIELDS, np.zeros(clips, np.int64)) | {
        "names": np.char.add("S001C001P001R001A", np.arange(clips).astype(f"U{len(str(clips))}")),
        "keys": np.arange(clips),
        "lengths": np.full(clips, frames),
        "track_clip": owner,
        "track_slot": (np.diff(owner, prepend=-1) == 0).astype(np.int64),
        "track_begin": np.zeros_like(owner),
        "track_length": length,
        "track_offset": length.cumsum() - length,
        "valid": np.ones(int(length.sum()), np.bool_),
    }
    facts = {}
    for name, array in arrays.items():
        write_array(folder / f"{name}.npy", array)
        facts[f"{name}.npy"] = fact_of(folder / f"{name}.npy")
    rows = int(length.sum())
    with (folder / "joints.npy").open("wb") as file:
        file.write(npy_header(np.dtype(np.float32), (rows, 25, 3)))
        if real:
            piece = np.random.default_rng(0).random((10_000, 25, 3), np.float32).tobytes()
            for first in range(0, rows, 10_000):
                file.write(piece[: 300 * min(10_000, rows - first)])
        file.truncate(HEADER_BYTES + 300 * rows)
        file.flush()
        os.fsync(file.fileno())
    # The digest of the frames is only read when the store is verified.
    facts["joints.npy"] = FileFact(HEADER_BYTES + 300 * rows, "0" * 64)
    info = DatasetInfo("made", 1, NTU25, ("one",), 30.0, persons=2)
    write_json(folder / "report.json", {})
    facts["report.json"] = fact_of(folder / "report.json")
    write_json(
        folder / "info.json",
        {"info": info_to_json(info), "fingerprint": fingerprint(info, facts), "dtype": "float32"},
    )
    facts["info.json"] = fact_of(folder / "info.json")
    write_manifest(folder, facts)
    return folder


def seconds(work: Callable[[], object], times: int = 1, clock: Callable[[], float] = time.process_time) -> float:
    """Median cost of a call: CPU time, which other work hardly changes; where a disk decides, wall time."""
    taken = []
    for _ in range(times):
        start = clock()
        work()
        taken.append(clock() - start)
    return statistics.median(taken)


def measured(folder: Path, quick: bool) -> dict[str, float]:
    """Every figure the extrapolation needs; bytes and seconds."""
    costs: dict[str, float] = {}
    own = psutil.Process()
    for clips in (10**5,) if quick else (10**5, 10**6, 3 * 10**6):
        store = made_store(folder / f"index{clips}", clips, 1, real=False)
        before = own.memory_full_info().uss
        start = time.process_time()
        dataset = open_dataset(store)
        opened = time.process_time()
        source = ClipSource(dataset, np.arange(clips), clip_spec(dataset.info, ClipConfig()))
        costs["clips"], costs["open"], costs["source"] = clips, opened - start, time.process_time() - opened
        costs["index"] = own.memory_full_info().uss - before
        print(f"{clips:,} clips: opened in {costs['open']:.2f} s, ready in {costs['source']:.2f} s", flush=True)
        del dataset, source
    costs["index"] /= costs["clips"]
    costs["open"] /= costs["clips"]
    costs["source"] /= costs["clips"]
    many = 10**6 if quick else 2 * 10**7
    costs["order"] = seconds(lambda: EpochSampler(many, 4096, 0, True).batch(0)) / many
    shape = (128, 2, 750)
    draw = Noise(0, 0)
    costs["noise"] = seconds(lambda: draw.uniform("mask", shape, per="batch"), 21) / np.prod(shape)
    costs["plain"] = seconds(lambda: torch.rand(shape), 21) / np.prod(shape)
    costs |= reading(folder, 2_000 if quick else 40_000)
    costs |= sizes(folder)
    store_ = torch.distributed.TCPStore("127.0.0.1", 0, 1, True)
    costs["beat"] = seconds(lambda: [store_.add("beat", 1) for _ in range(2000)], clock=time.perf_counter) / 2000
    return costs


def reading(folder: Path, clips: int) -> dict[str, float]:
    """Whole clips in random order from a store on this machine's disk: not in memory, then in memory."""
    dataset = open_dataset(made_store(folder / "frames", clips, FRAMES, real=True))
    source = ClipSource(dataset, np.arange(clips), clip_spec(dataset.info, ClipConfig()))
    file = os.open(dataset.path / "joints.npy", os.O_RDONLY)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(file)
    # A map of this process keeps its pages; the source has one that nothing was read through yet.
    order = torch.randperm(clips, generator=torch.Generator().manual_seed(0))[: clips // 2].split(BATCH)[:-1]
    view, noise, own = source.spec.test_view, Noise(0, 0), psutil.Process()

    def read() -> None:
        for rows in order:
            source.batch(rows, view, noise)

    many, before = BATCH * len(order), own.io_counters().read_bytes
    cold = seconds(read, clock=time.perf_counter)
    fetched = own.io_counters().read_bytes - before
    return {
        "cold": cold / many,
        "fetched": fetched / many,
        "warm": seconds(read) / many,
        "stored": PERSONS * FRAMES * 300,
    }


def sizes(folder: Path) -> dict[str, float]:
    """Weights of the largest method at released size, copies included, and bytes of a checkpoint a second."""
    dataset, weights = open_benchmark(BENCHMARKS.get("synthetic")), 0
    for method in METHODS.names():
        [cell] = GridRequest(methods=(method,), protocols=(), preset="released").cells()
        weights = max(weights, count_weights(cell, dataset))
    model, moments = {"w": torch.zeros(10**7)}, {name: torch.zeros(10**7) for name in ("m", "v")}
    saved = seconds(
        lambda: save_checkpoint(folder / "run", 1, model, moments, {"meta": {}}, keep=1), 5, time.perf_counter
    )
    return {"weights": weights, "save": 12e7 / saved}


def table(costs: dict[str, float]) -> list[str]:
    """The rows of the table: each measurement and what follows from it."""
    gb, step = 1e9, GPUS * BATCH
    million = {name: f"{60 / costs[name] / 1e6:,.0f} million clips in a minute" for name in ("open", "source", "order")}
    minutes = {name: f"{CLIPS * costs[name] / 60:,.1f} min" for name in million}
    fetched = costs["fetched"] or costs["stored"]
    rows = [
        (
            "index, bytes a clip",
            f"{costs['index']:.0f}",
            f"{CLIPS * costs['index'] / gb:.0f} GB in every process",
            f"{MEMORY / costs['index'] / 1e6:.0f} million clips in {MEMORY / gb:.0f} GB",
        ),
        ("opening, ns a clip", f"{1e9 * costs['open']:.0f}", minutes["open"], million["open"]),
        (
            "making the training part ready, ns a clip",
            f"{1e9 * costs['source']:.0f}",
            f"{minutes['source']}; {PERSONS * FRAMES * CLIPS / gb:.0f} GB of flags read and held",
            f"{MEMORY / (PERSONS * FRAMES) / 1e6:.0f} million clips, whose flags are {MEMORY / gb:.0f} GB",
        ),
        ("order of an epoch, ns a clip", f"{1e9 * costs['order']:.0f}", minutes["order"], million["order"]),
        (
            "frames, KB a clip on disk",
            f"{costs['stored'] / 1e3:.0f}",
            f"{CLIPS * costs['stored'] / 1e12:.0f} TB",
            f"{8e12 / costs['stored'] / 1e6:.0f} million clips on a disk of 8 TB",
        ),
        (
            "random reads, KB fetched a clip that is not in memory",
            f"{fetched / 1e3:.0f}",
            f"{step * fetched / gb:.1f} GB a step of {step:,} clips",
            f"{20e9 / (step * fetched):.1f} steps a second from a network disk of 20 GB/s",
        ),
        (
            "random reads by one core, clips a second: from disk, from memory",
            f"{1 / costs['cold']:,.0f}, {1 / costs['warm']:,.0f}",
            f"{BATCH * costs['cold'] * 1e3:.0f}, {BATCH * costs['warm'] * 1e3:.0f} ms a step of a process",
            "steps shorter than that",
        ),
        (
            "keyed noise, ns a number (`torch.rand`)",
            f"{1e9 * costs['noise']:.1f} ({1e9 * costs['plain']:.1f})",
            "the same, each process draws for its own clips",
            "nowhere",
        ),
        (
            "weights of the largest method at released size, copies included",
            f"{costs['weights'] / 1e6:.1f} million",
            f"{8 * costs['weights'] * (GPUS - 1) / GPUS / 1e6:.0f} MB a step and link (ring all-reduce in float32)",
            f"steps shorter than {8 * costs['weights'] / 25e9 * 1e3:.0f} ms at 25 GB/s",
        ),
        (
            f"gathered features, {VIEWS} views of {FEATURE} numbers, bytes a clip",
            f"{VIEWS * FEATURE * 4}",
            f"{step * VIEWS * FEATURE * 4 / 1e6:.0f} MB in every process; all against all {step**2 * 4 / gb:.0f} GB",
            f"{int((MEMORY / 4) ** 0.5):,} clips a step, all against all in {MEMORY / gb:.0f} GB",
        ),
        (
            "heartbeat, µs a request",
            f"{1e6 * costs['beat']:.0f}",
            f"{GPUS:,} requests a second, {100 * GPUS * costs['beat']:.0f} % of what the store answers",
            f"{1 / costs['beat']:,.0f} processes",
        ),
        (
            "checkpoint, MB a second to this machine's disk",
            f"{costs['save'] / 1e6:.0f}",
            f"{12 * costs['weights'] / costs['save']:.0f} s for those weights and two moments, by the first process",
            "weights that one process cannot hold",
        ),
    ]
    lines = [f"| part | measured | {GPUS:,} GPUs, a billion clips | limit |", "|---|---|---|---|"]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def main() -> None:
    """Measure, compute, print; with --output replace the table of a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, to try the script")
    parser.add_argument("--output", type=Path, help="Markdown file in which to replace the table")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        costs = measured(Path(folder), options.quick)
    print(json.dumps(costs))
    rows = table(costs)
    print("\n".join(rows))
    if options.output is not None:
        text = options.output.read_text(encoding="utf-8")
        before, _, rest = text.partition("<!-- saturation -->\n")
        _, _, after = rest.partition("<!-- end of saturation -->")
        command = f"python scripts/pages/saturation.py {'--quick ' * options.quick}--output {options.output}"
        clock = "CPU time of one thread, wall time where a disk or the store decides"
        made = f"Made by `{command}`: {clock}; torch {torch.__version__}, {costs['clips']:,} clips at most.\n"
        body = "\n".join([made, *rows])
        options.output.write_text(
            f"{before}<!-- saturation -->\n{body}\n<!-- end of saturation -->{after}", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
