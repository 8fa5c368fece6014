"""Writes docs/measured/speed-import.md: the import of NTU-format files against the baseline of ``plain.py``.

Both sides are timed in one run, in pairs A B B A, after checking that their results are equal bit
for bit. Times depend on the machine and its load, so the table shows ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from made_files import make_files, make_zip
from plain import read_plainly

from sslskel.data.motion.skeleton_file import read_skeleton
from sslskel.data.store.store import open_dataset

HERE = Path(__file__).parent
CLIPS = 56_578
"""Of NTU RGB+D; memory is extrapolated to it."""
SAMPLE_SECONDS = 0.02


class Run(NamedTuple):
    """What a command cost: wall seconds, CPU seconds of all its processes, and their largest memory in MB."""

    wall: float
    cpu: float
    memory: float


def run_measured(command: Sequence[str], data: Path) -> Run:
    """Run a command. Memory is the proportional set size, sampled."""
    environment = {**os.environ, "SSLSKEL_DATA": str(data), "OMP_NUM_THREADS": "1"}
    began, before, peak = time.perf_counter(), os.times(), 0
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None:
            peak = max(peak, sum(_held(pid) for pid in _tree(process.pid)))
            time.sleep(SAMPLE_SECONDS)
        seconds = time.perf_counter() - began
        assert process.stderr is not None
        errors = process.stderr.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{errors}")
    after = os.times()
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    return Run(seconds, cpu, peak / 1024)


def _tree(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(below for child in children for below in _tree(int(child)))]


def _held(pid: int) -> int:
    """Kilobytes, with shared pages divided among the processes that share them; 0 for a process that just ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def ours(source: Path, root: Path, workers: int, name: str = "ntu60") -> Run:
    """Prepare a benchmark with ``sslskel data prepare``."""
    shutil.rmtree(root, ignore_errors=True)
    command = [sys.executable, "-m", "sslskel", "data", "prepare", name, "--source", str(source)]
    return run_measured([*command, "--workers", str(workers)], root)


def baseline(source: Path, target: Path) -> Run:
    """Import with ``plain.py``."""
    shutil.rmtree(target, ignore_errors=True)
    return run_measured([sys.executable, str(HERE / "plain.py"), str(source), str(target)], target)


def require_equal(source: Path, work: Path) -> None:
    """End the script if the two sides differ in any bit of any clip."""
    ours(source, work / "ours", 1)
    baseline(source, work / "plain")
    dataset = open_dataset(work / "ours" / "ntu60-ctrgcn")
    padded = {part: np.load(work / "plain" / f"xsub_{part}.npy") for part in ("train", "test")}
    names, lengths = (np.load(work / "plain" / f"{name}.npy").tolist() for name in ("names", "lengths"))
    from sslskel.plugins.registry import BENCHMARKS

    train, row = BENCHMARKS.get("ntu60").split("xsub").train, {"train": 0, "test": 0}
    for clip, (name, length) in enumerate(zip(names, lengths, strict=True)):
        part = "train" if int(name[9:12]) in train else "test"
        expected = padded[part][row[part]]
        row[part] += 1
        padded_clip = np.zeros((len(expected), 2, 75), np.float32)
        for track in np.flatnonzero(dataset.track_clip == clip):
            begin, size, offset = (
                int(x[track]) for x in (dataset.track_begin, dataset.track_length, dataset.track_offset)
            )
            rows = dataset.joints[offset : offset + size].reshape(size, 75)
            padded_clip[begin : begin + size, int(dataset.track_slot[track])] = rows
        same = dataset.names[clip] == name and dataset.lengths[clip] == length
        if not same or not np.array_equal(padded_clip.reshape(len(expected), 150), expected):
            raise SystemExit(f"clip {name} differs between the two sides; so there is no ratio to print")


Cost = TypeVar("Cost")


def pairs(one: Callable[[], Cost], other: Callable[[], Cost], number: int) -> list[tuple[Cost, Cost]]:
    """(one, other) of ``number`` pairs, in the order A B B A."""
    measured = []
    for i in range(number):
        if i % 2:
            b = other()
            measured.append((one(), b))
        else:
            a = one()
            measured.append((a, other()))
    return measured


def of_ratios(costs: Iterable[tuple[float, float]]) -> str:
    """Median, least and largest of second / first."""
    ratios = [other / one for one, other in costs]
    return f"{statistics.median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f}"


def timed(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    began = time.process_time()
    work()
    return time.process_time() - began


def parse_pairs(source: Path, files: int, number: int) -> tuple[list[tuple[float, float]], float]:
    """CPU seconds of reading some files, ours and plainly; and their megabytes."""
    paths = sorted(source.glob("*.skeleton"))[:files]

    def quick() -> None:
        for path in paths:
            read_skeleton(path.read_bytes(), path.name)

    def plain() -> None:
        for path in paths:
            with path.open() as file:
                read_plainly(file)

    quick()
    costs = pairs(lambda: timed(quick), lambda: timed(plain), number)
    return costs, sum(path.stat().st_size for path in paths) / 1e6


def measure(options: argparse.Namespace, work: Path) -> str:
    """The page."""
    few, many, whole_set = work / "few", work / "many", work / "all.zip"
    make_files(few, options.files)
    size = make_files(many, 2 * options.files) / 1e6
    make_zip(whole_set, CLIPS)
    require_equal(few, work)
    parsing, megabytes = parse_pairs(few, 40, max(options.pairs, 5))
    cores = len(os.sched_getaffinity(0))
    small = baseline(few, work / "b").memory
    whole = pairs(lambda: ours(many, work / "a", cores), lambda: baseline(many, work / "b"), options.pairs)
    steps = [n for n in (2, 4, 8, 16, 32) if n <= cores]
    scaling = {
        n: pairs(partial(ours, many, work / "a", n), partial(ours, many, work / "a", 1), options.pairs) for n in steps
    }
    everything = ours(whole_set, work / "a", cores, "ntu120")
    opening = [timed(lambda: open_dataset(work / "a" / "ntu120-ctrgcn")) * 1000 for _ in range(20)]
    large = statistics.median(other.memory for _, other in whole)
    grown = large + max(0.0, large - small) / options.files * (CLIPS - 2 * options.files)
    rows = [
        f"| reading files, CPU | {of_ratios(parsing)} |",
        f"| whole import, CPU of all processes | {of_ratios((a.cpu, b.cpu) for a, b in whole)} |",
        f"| whole import, wall, {cores} processes against the baseline's one"
        f" | {of_ratios((a.wall, b.wall) for a, b in whole)} |",
        *(
            f"| wall, {n} processes of ours against 1 | {of_ratios((a.wall, b.wall) for a, b in scaling[n])} |"
            for n in steps
        ),
    ]
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        (HERE / "page.md")
        .read_text(encoding="utf-8")
        .format(
            command=f"python scripts/pages/import/measure.py --files {options.files} --pairs {options.pairs}",
            files=2 * options.files,
            size=size,
            pairs=options.pairs,
            rows="\n".join(rows),
            rate=megabytes / statistics.median(one for one, _ in parsing),
            ours=max(one.memory for one, _ in whole),
            plain=large,
            many=2 * options.files,
            clips=CLIPS,
            everything=everything.memory,
            grown=grown,
            opening=statistics.median(opening),
            python=platform.python_version(),
            numpy=np.__version__,
            machine=platform.machine(),
            cores=cores,
            load=load,
        )
    )


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=400, help="files of the smaller set; the larger has twice as many")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--output", type=Path, default=HERE.parents[2] / "docs" / "measured" / "speed-import.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        page = measure(options, Path(folder))
    options.output.write_text(page, encoding="utf-8")
    print(json.dumps({"written": str(options.output)}))


if __name__ == "__main__":
    main()
