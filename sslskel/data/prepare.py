"""From a benchmark and its source files to a prepared dataset in the user's data folder, and back.

How a dataset is stored is in ``store.py``; how a source is read is in the
importers of ``benchmarks/``.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sslskel.api.benchmark import Benchmark, ImportReport
from sslskel.api.dataset import Clip
from sslskel.data.sources.pieces import PieceImporter
from sslskel.data.sources.pipeline import PieceImport
from sslskel.data.store.format import info_to_json
from sslskel.data.store.store import StoredDataset, open_dataset, write_dataset
from sslskel.errors import DataError, UsageError
from sslskel.paths import data_root as data_root
from sslskel.plugins.own_code import Code, own_code
from sslskel.progress import SILENT, Reporter


def locate(benchmark: Benchmark, root: Path | None = None) -> Path:
    """Where a benchmark's prepared dataset lies or would lie."""
    info = benchmark.info
    folder = info.name if info.recipe == "default" else f"{info.name}-{info.recipe}"
    return (root or data_root()) / folder


def command(benchmark: Benchmark) -> str:
    """The command line that prepares this benchmark."""
    if benchmark.command:
        return benchmark.command
    return f"sslskel data prepare {benchmark.name}" + ("" if benchmark.embedded else " --source PATH")


def prepare(
    benchmark: Benchmark,
    sources: Sequence[Path],
    root: Path | None = None,
    reporter: Reporter = SILENT,
    *,
    strict: bool = False,
    workers: int | None = None,
) -> Path:
    """Import a benchmark and return the folder of the prepared dataset; safe to repeat.

    A source that falls into pieces (``PieceImporter``) is imported by ``workers`` processes
    (all cores where None), goes on where an earlier call was interrupted, and leaves out
    damaged files with a report unless ``strict``; a call for what is prepared already from
    the same files returns at once. With ``strict`` the counts must be the expected ones too.

    Raises ``DataError`` for a missing, empty, damaged or incomplete source,
    ``RunError`` for a full disk; nothing half-written is taken for a dataset in either case.
    """
    sources, report = [Path(source) for source in sources], ImportReport()
    _check_sources(benchmark, sources)
    target, importer, title = locate(benchmark, root), benchmark.read, f"preparing {benchmark.name}"
    if isinstance(importer, PieceImporter):
        if _is_prepared(benchmark, target, sources, strict):
            open_dataset(target).copies(reporter)
            return target
        clips: Any = PieceImport(importer, sources, report, strict, workers, reporter, title)
    else:
        clips = _counted(benchmark, importer(sources, report), reporter, title)
    partial = isinstance(importer, PieceImporter) and importer.partial and not strict
    write_dataset(
        target,
        benchmark.info,
        clips,
        report=report,
        check=lambda dataset, report: _check_counts(benchmark, dataset, report, partial, strict),
    )
    if not benchmark.embedded:
        open_dataset(target).copies(reporter)
    return target


def _is_prepared(benchmark: Benchmark, target: Path, sources: Sequence[Path], strict: bool) -> bool:
    """Whether a valid dataset made of these very files is there."""
    try:
        dataset = open_dataset(target)
        report = dataset.report()
        if not _describes(benchmark, dataset) or (strict and (report["faults"] or report["notes"])):
            return False
        plan = report["plan"]
        dataset.verify()
    except (DataError, KeyError):
        return False
    return bool(plan) and plan == benchmark.read.digest(sources)  # type: ignore[attr-defined]


def open_benchmark(benchmark: Benchmark, root: Path | None = None) -> StoredDataset:
    """Open a benchmark's prepared dataset; an embedded one is prepared on first use.

    Raises ``DataError`` that names the command to run where the dataset is not
    prepared, was prepared by another version of the benchmark, or is damaged, and ``PluginError``
    where the benchmark's own code fails while an embedded one is prepared.
    """
    target, hint = locate(benchmark, root), f"run '{command(benchmark)}'"
    if target.exists():
        dataset = open_dataset(target, hint)
        if _describes(benchmark, dataset):
            return dataset
        if not benchmark.embedded:
            raise DataError(
                f"'{target}' was prepared for version {dataset.info.version} of '{benchmark.name}',"
                f" this is version {benchmark.info.version} with a different description; {hint}"
            )
    elif not benchmark.embedded:
        raise DataError(f"benchmark '{benchmark.name}' is not prepared ('{target}' does not exist); {hint}")
    with own_code(f"benchmark '{benchmark.name}'", reader_of(benchmark)):
        prepare(benchmark, (), root)
    return open_dataset(target, hint)


def reader_of(benchmark: Benchmark) -> Code:
    """What of a benchmark lies in its own file."""
    return benchmark.read if inspect.isfunction(benchmark.read) else type(benchmark.read)


def _describes(benchmark: Benchmark, dataset: StoredDataset) -> bool:
    """Whether the stored description is the benchmark's, licence and source files aside."""

    def shaping(info: dict[str, object]) -> dict[str, object]:
        return {k: v for k, v in info.items() if k not in ("licence", "source")}

    return shaping(info_to_json(benchmark.info)) == shaping(info_to_json(dataset.info))


def _check_sources(benchmark: Benchmark, sources: Sequence[Path]) -> None:
    if benchmark.command:
        raise UsageError(f"benchmark '{benchmark.name}' is an imported dataset; run '{command(benchmark)}'")
    if benchmark.embedded:
        if sources:
            raise UsageError(f"benchmark '{benchmark.name}' makes its own data; run '{command(benchmark)}'")
        return
    if not sources:
        raise DataError(f"benchmark '{benchmark.name}' needs its source files; run '{command(benchmark)}'")
    for source in sources:
        if not source.exists():
            raise DataError(f"source '{source}' of benchmark '{benchmark.name}' does not exist; check the path")
        try:
            empty = source.is_dir() and not any(source.iterdir())
        except OSError as fault:
            raise DataError(f"source '{source}' cannot be read: {fault.strerror}") from fault
        if empty:
            raise DataError(f"source '{source}' of benchmark '{benchmark.name}' is an empty folder; check the path")


def _counted(benchmark: Benchmark, clips: Iterator[Clip], reporter: Reporter, title: str) -> Iterator[Clip]:
    expected = benchmark.expected.get("clips", 0)
    for done, clip in enumerate(clips, start=1):
        yield clip
        reporter.step(title, done, expected)


def _check_counts(
    benchmark: Benchmark, dataset: StoredDataset, report: ImportReport, partial: bool, strict: bool
) -> None:
    """Compare with the numbers the benchmark expects, in which what its source drops on purpose is not counted.

    Fewer are allowed only where files were dropped or may lack, and never where ``strict``.
    """
    missing = len(report.dropped) + len(report.faults)
    for what, expected in benchmark.expected.items():
        counted = _count(benchmark, dataset, what)
        report.counts[what] = (counted, expected)
        if counted == expected:
            continue
        sentence = f"{what}: found {counted} clips, expected {expected}"
        if counted > expected or strict or not (missing or partial):
            raise DataError(
                f"the source of benchmark '{benchmark.name}' does not match the known one ({sentence});"
                " check that all of it, and nothing else, is there"
            )
        report.notes.append(f"{sentence}; {missing} dropped")


def _count(benchmark: Benchmark, dataset: StoredDataset, what: str) -> int:
    if what == "clips":
        return len(dataset)
    split, _, part = what.rpartition("/")
    try:
        return len(benchmark.split(split).part(dataset, part))
    except DataError:
        return 0
