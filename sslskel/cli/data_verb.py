"""Prepare a dataset from its original files, say what is in it, or verify every byte of it."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel data``."""
    parser.add_argument("action", choices=("prepare", "info", "verify"))
    parser.add_argument("name", help="a benchmark (`sslskel list benchmarks`)")
    parser.add_argument("--source", nargs="+", default=[], type=Path, help="directories or archives of original files")


def run(options: argparse.Namespace) -> int:
    """Do one of the three."""
    from sslskel.data.prepare import open_benchmark, prepare
    from sslskel.registry import BENCHMARKS

    benchmark = BENCHMARKS.get(options.name)
    if options.action == "prepare":
        from sslskel.engine.progress import Reporter

        with Reporter() as reporter:
            path = prepare(benchmark, options.source, advance=reporter.advance)
        print(path)
        return 0
    dataset = open_benchmark(benchmark)
    if options.action == "verify":
        dataset.verify()
        print(f"{dataset.path}: every file is as it was written; fingerprint {dataset.fingerprint}")
        return 0
    info = dataset.info
    print(f"{info.name}: {benchmark.title}")
    print(f"path {dataset.path}")
    print(f"fingerprint {dataset.fingerprint}")
    print(f"{len(dataset)} clips, {len(dataset.track_clip)} tracks, {len(dataset.joints):,} person-frames")
    print(f"clip lengths {dataset.lengths.min()} to {dataset.lengths.max()} frames at {info.fps:g} per second")
    print(f"{info.layout.num_joints} joints ({info.layout.name}), {info.coordinates}D, unit {info.unit}")
    for name, split in benchmark.splits.items():
        parts = {part: len(split.part(dataset, part)) for part in ("train", "validation", "test")}
        print(f"split {name}: " + ", ".join(f"{count} {part}" for part, count in parts.items()))
    counts = Counter(dataset.labels.tolist())
    for label, title in enumerate(info.classes):
        print(f"  {label:>3}  {title}: {counts[label]}")
    return 0
