"""A prepared dataset described: lines for the terminal, and a card in Markdown to publish with results.

Everything comes from the stored files and the benchmark; the store checks their bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np

from sslskel.api.benchmark import CLEAN, Benchmark, Split
from sslskel.api.dataset import Ints
from sslskel.data.duplicates.kept import FILES
from sslskel.data.prepare import command
from sslskel.data.store.store import StoredDataset
from sslskel.errors import DataError
from sslskel.files import write_output
from sslskel.text import escape, fenced, mebibytes, table
from sslskel.version import __version__

LISTED = 20
"""Most dropped clips that a card names; the report beside the data has all."""
NOTE = 400
"""Most characters of a note on the terminal; a longer one ends in [...], and is whole in report.json."""
DAMAGED = 10
"""Most damaged files that are named one by one after an import."""
_PARTS = ("train", "validation", "test")


def info_lines(benchmark: Benchmark, dataset: StoredDataset) -> Iterator[str]:
    """What ``sslskel data info`` prints."""
    info, report = dataset.info, dataset.report()
    yield f"{info.name}: {benchmark.title}"
    yield f"path {dataset.path}"
    yield from (f"{name} {value}" for name, value in _facts(benchmark, dataset).items())
    for name, split in benchmark.splits.items():
        yield f"split {name}: " + ", ".join(f"{len(_rows(split, dataset, part))} {part}" for part in _PARTS)
        if split.warning:
            yield f"  warning: {split.warning}"
    yield from copy_lines(benchmark, dataset)
    for what, counted, expected in _counts(benchmark, dataset):
        yield f"expected {what}: {expected}, found {counted}"
    yield from (f"note: {shorten(note, NOTE)}" for note in report["notes"])
    yield from (f"done: {what}: {number:,}" for what, number in report.get("tally", {}).items())
    yield from (f"damaged: {fault}" for fault in report.get("faults", {}).values())
    for reason, names in _reasons(report["dropped"]).items():
        yield f"dropped {len(names)}: {reason} ({_some(names, 3)})"
    clips = Counter(dataset.labels.tolist())
    yield from (f"  {label:>3}  {title}: {clips[label]}" for label, title in enumerate(info.classes))


def copy_lines(benchmark: Benchmark, dataset: StoredDataset) -> Iterator[str]:
    """Which clips hold the same frames, and how many test clips of each split hold frames of training clips."""
    shared = dataset.copies()
    if shared:
        some = [f"{dataset.names[one.first]} and {dataset.names[one.second]} ({one.frames:,})" for one in shared]
        yield f"the same frames (how many) in {len(shared):,} pairs of clips: {_some(some, 3)}"
    for name, split in benchmark.splits.items():
        copied = split.copied(dataset) if shared else ()
        if len(copied):
            tests = len(_rows(split, dataset, "test"))
            yield (
                f"split {name}: {len(copied):,} of {tests:,} test clips hold frames of training clips"
                f" ({_some(dataset.names[copied].tolist(), 3)}); --split {name}{CLEAN} leaves them out"
            )


def import_lines(report: Mapping[str, Any]) -> list[str]:
    """What ``sslskel data prepare`` prints of an import (``StoredDataset.report``): kept, left out and why, damaged."""
    counts, faults = report["counts"], list(report["faults"].values())
    lines = [f"{counts['clips']:,} clips kept, {len(report['dropped']):,} left out, {len(faults):,} files damaged"]
    lines += [f"left out: {number:,}: {reason}" for reason, number in Counter(report["dropped"].values()).most_common()]
    lines += [f"done: {what}: {number:,}" for what, number in sorted(report["tally"].items())]
    lines += [f"damaged: {fault}" for fault in faults[:DAMAGED]]
    if len(faults) > DAMAGED:
        lines.append(f"damaged: {len(faults) - DAMAGED:,} more, all in report.json")
    agreed = [f"{what} {expected:,}" for what, (counted, expected) in report["expected"].items() if counted == expected]
    if agreed:
        lines.append(f"as expected: {', '.join(agreed)}")
    return lines + [f"note: {shorten(note, NOTE)}" for note in report["notes"]]


def card(benchmark: Benchmark, dataset: StoredDataset) -> str:
    """The card of ``sslskel data card``: facts, splits, classes, layout, import report and sources, Markdown."""
    facts = _facts(benchmark, dataset)
    blocks = [
        f"# {escape(benchmark.title)}",
        escape(benchmark.citation),
        _table(("", ""), facts.items()),
        "## Splits",
        *_splits(benchmark, dataset),
        "## Classes",
        _classes(benchmark, dataset),
        "## Layout",
        *_layout(dataset),
        "## Import",
        *_import(benchmark, dataset),
        f"Made by `sslskel data card {benchmark.name}` of sslskel {__version__}.",
    ]
    return "\n\n".join(blocks) + "\n"


def write_card(benchmark: Benchmark, dataset: StoredDataset, path: Path) -> None:
    """Write the card to a file, whole or not at all. Raises ``RunError`` where it cannot be written."""
    write_output(path, card(benchmark, dataset).encode("utf-8"))


def _facts(benchmark: Benchmark, dataset: StoredDataset) -> dict[str, str]:
    info, lengths = dataset.info, dataset.lengths
    facts = {
        "name": f"{info.name}, version {info.version}, recipe {info.recipe}",
        "fingerprint": dataset.fingerprint,
        "clips": f"{len(dataset):,} of {len(info.classes)} classes",
    }
    if dataset.untrimmed is not None and dataset.untrimmed.segments is not None:
        whole, actions = dataset.untrimmed, dataset.untrimmed.segments.owner
        facts["recordings"] = (
            f"{len(whole):,} untrimmed, {len(actions):,} annotated actions, {int(whole.lengths.sum()):,} frames;"
            " clips are cut from them"
        )
    per_clip = np.bincount(dataset.track_clip, minlength=len(dataset))
    shares = ", ".join(f"{int((per_clip == n).sum()):,} with {n}" for n in np.unique(per_clip).tolist())
    quartiles = np.percentile(lengths, (25, 50, 75), method="inverted_cdf")
    return {
        **facts,
        "frames": f"{int(lengths.sum()):,} in clips; {len(dataset.joints):,} stored, one for each person",
        "lengths": (
            f"{lengths.min()} to {lengths.max()} frames, quartiles {', '.join(f'{n:g}' for n in quartiles)},"
            f" at {info.fps:g} per second"
        ),
        "persons": f"at most {info.persons} in a clip; clips {shares}",
        "body": f"{info.layout.num_joints} joints ({info.layout.name}), {info.coordinates}D, unit {info.unit}",
        "subjects": _numbered(dataset.subjects),
        "cameras": _numbered(dataset.cameras),
        "setups": _numbered(dataset.setups),
        "stored": f"{dataset.joints.dtype}, {mebibytes(_stored(dataset))}",
        "licence": benchmark.licence,
    }


def _stored(dataset: StoredDataset) -> int:
    """Bytes of the dataset's own files."""
    return sum(file.stat().st_size for file in dataset.path.iterdir() if file.name not in FILES)


def _numbered(column: Ints) -> str:
    known = np.unique(column[column >= 0])
    if not len(known):
        return "unknown"
    unknown = int((column < 0).sum())
    return f"{len(known)}, numbered {known[0]} to {known[-1]}" + (f"; unknown for {unknown} clips" if unknown else "")


def _rows(split: Split, dataset: StoredDataset, part: str) -> Ints:
    """Clip rows of a part, which may be empty here."""
    try:
        return split.part(dataset, part)
    except DataError:
        return np.zeros(0, np.int64)


def _counts(benchmark: Benchmark, dataset: StoredDataset) -> Iterator[tuple[str, int, int]]:
    """(what, clips found, clips that the benchmark expects)."""
    for what, expected in benchmark.expected.items():
        split, _, part = what.rpartition("/")
        yield what, len(_rows(benchmark.split(split), dataset, part)) if split else len(dataset), expected


def _splits(benchmark: Benchmark, dataset: StoredDataset) -> Iterator[str]:
    lines = []
    for name, split in benchmark.splits.items():
        counts = [f"{len(_rows(split, dataset, part)):,}" for part in _PARTS]
        lines.append((name + (" (default)" if name == benchmark.default_split else ""), _rule(split), *counts))
    yield _table(("split", "training part", *_PARTS), lines, numbers=3)
    yield "The training part includes the validation clips."
    yield from (f"Warning, {escape(name)}: {escape(s.warning)}." for name, s in benchmark.splits.items() if s.warning)
    yield from (f"{escape(line.capitalize())}." for line in copy_lines(benchmark, dataset))
    expected = [(what, f"{counted:,}", f"{number:,}") for what, counted, number in _counts(benchmark, dataset)]
    if expected:
        yield _table(("clips", "found", "expected"), expected, numbers=2)


def _rule(split: Split) -> str:
    if split.by in ("list", "clip"):
        return "clips that the source's own list names"
    rule = f"{split.by} " + ", ".join(map(str, sorted(split.train)))
    return rule if split.also is None else f"{rule} and {_rule(split.also)}"


def _classes(benchmark: Benchmark, dataset: StoredDataset) -> str:
    split = benchmark.split()
    counts = [Counter(dataset.labels[_rows(split, dataset, part)].tolist()) for part in ("train", "test")]
    lines = [
        (str(label), title, *(f"{count[label]:,}" for count in counts))
        for label, title in enumerate(dataset.info.classes)
    ]
    return _table(("label", "class", f"{split.name} train", "test"), lines, numbers=2)


def _layout(dataset: StoredDataset) -> Iterator[str]:
    body = dataset.info.layout
    parts = {joint: name for name, joints in body.parts.items() for joint in joints}
    mirror = body.mirror()
    yield _table(
        ("joint", "name", "parent", "mirrored", "part"),
        [
            (
                str(joint),
                name,
                body.joints[parent] if parent >= 0 else "none",
                body.joints[mirror[joint]] if mirror[joint] != joint else "",
                parts.get(joint, ""),
            )
            for joint, (name, parent) in enumerate(zip(body.joints, body.parents, strict=True))
        ],
    )
    yield f"Centre: {escape(body.joints[body.centre])}."


def _import(benchmark: Benchmark, dataset: StoredDataset) -> Iterator[str]:
    report = dataset.report()
    yield fenced([command(benchmark)])
    if report["source"]:
        yield _table(("source", "sha256"), sorted(report["source"].items()))
    lines = [
        *(f"{what}: {number:,}" for what, number in report.get("tally", {}).items()),
        *report["notes"],
        *(f"left out as damaged: {fault}" for fault in report.get("faults", {}).values()),
    ]
    if lines:
        yield "\n".join(f"- {escape(line)}" for line in lines)
    dropped = _reasons(report["dropped"])
    if not dropped:
        yield "Nothing was dropped."
        return
    yield _table(
        ("dropped", "reason", "which"),
        [(f"{len(names):,}", reason, _some(names, LISTED)) for reason, names in dropped.items()],
    )


def _reasons(dropped: Mapping[str, str]) -> dict[str, list[str]]:
    """Reason -> names, the most frequent first. Numbers differ from clip to clip and count as the same."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in dropped.items():
        by_reason.setdefault(reason.partition(":")[0], []).append(name)
    return dict(sorted(by_reason.items(), key=lambda pair: -len(pair[1])))


def _some(names: Sequence[str], most: int) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _table(titles: Sequence[str], lines: Iterable[Sequence[str]], numbers: int = 0) -> str:
    """A table of plain text whose last ``numbers`` columns hold numbers."""
    right = range(len(titles) - numbers, len(titles))
    return table([*map(escape, titles)], (map(escape, line) for line in lines), right)
