"""The board of a results folder: reads the records, leaves the arithmetic to ``build.py``."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from sslskel.errors import UsageError
from sslskel.files import parse_json, read_regular
from sslskel.leaderboard.build import Board, build_board, of_board
from sslskel.leaderboard.checked import checked
from sslskel.leaderboard.checkpoints import checkpoints_of
from sslskel.leaderboard.clip_scores import all_clip_scores
from sslskel.leaderboard.confusion import confusions_of
from sslskel.leaderboard.failed import failed_cells, failed_sentences
from sslskel.leaderboard.model import Curve
from sslskel.leaderboard.published import published_numbers, published_rows
from sslskel.leaderboard.seeds import unrecorded_runs
from sslskel.leaderboard.suite import SuiteRules, suite_board
from sslskel.results.facts import PROBE
from sslskel.results.failures import FOLDER
from sslskel.results.record import Record
from sslskel.results.store import ResultStore

CURVE_POINTS = 100
"""Most points of a learning curve on a page."""


@contextmanager
def _uncollected() -> Iterator[None]:
    """Records are many objects that all stay: to look through them for garbage again and again takes a tenth of all."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@_uncollected()
def board_of(
    output: Path | str,
    benchmarks: Sequence[str] | None = None,
    report: Callable[[str], None] = print,
    *,
    protocols: Sequence[str] | None = None,
    details: bool = False,
    published: bool = True,
    over_clips: bool = False,
    suite: SuiteRules | None = None,
    required: bool = False,
) -> Board:
    """Build the board of a folder. Records that are broken, or whose scores do not follow from their predictions, are
    named through ``report`` and left out; cells that failed are named among the warnings.

    Columns follow the order of ``benchmarks`` and ``protocols`` where given; ``details`` adds
    the losses and checkpoints of the pretraining runs that are still there, the confusions of classes and the papers,
    ``published`` what others printed for the same columns; with ``over_clips`` intervals are over test
    clips too. With a ``suite`` the board is that suite's (see ``suite.py``). Raises ``UsageError`` where the folder
    holds no results, or none of these benchmarks and protocols though that is ``required``, and ``DataError`` where a
    file of published numbers is broken.
    """
    output = Path(output)
    if not any((output / name).is_dir() for name in ("records", FOLDER)):
        raise UsageError(f"{output} holds no results; give a folder that `sslskel bench --results` wrote")
    if suite is not None:
        benchmarks, protocols = suite.suite.benchmarks, suite.suite.judged
    records, problems = ResultStore(output).read_all()
    shown = checked(ResultStore(output), of_board(records, benchmarks, protocols))
    for path, reason in (*problems, *shown.wrong):
        report(f"left out {path}: {reason}")
    if unsigned := sum(not record.digest for record in records):
        report(f"{unsigned} of {len(records)} records bear no digest, as early ones; damage in them may go unnoticed")
    left_out = {path.stem for path, _ in shown.wrong}
    sound = [record for record in records if record.identity not in left_out]
    per_clip = all_clip_scores(ResultStore(output), sound) if over_clips else None
    if suite is None:
        board = build_board(sound, benchmarks=benchmarks, protocols=protocols, per_clip=per_clip)
    else:
        board = suite_board(suite, sound, per_clip)
    failed = failed_cells(output, records, benchmarks, protocols)
    if required and suite is None:
        if not failed:
            _require_some(output, records, benchmarks, protocols)
        for sentence in _without_records(records, benchmarks, protocols):
            report(sentence)
    named = failed_sentences(output, failed)
    warnings = (*board.warnings, *named, *unrecorded_runs(output, board.records, records), *shown.warnings())
    board = replace(board, warnings=warnings, notes=(*board.notes, *shown.notes()), failed=failed)
    if published:
        numbers = published_numbers({column.benchmark for column in board.columns})
        board = replace(board, published=published_rows(board.columns, numbers))
    return _with_details(board, output) if details else board


def with_curves(board: Board, output: Path | str) -> Board:
    """The board with the learning curves of the runs that are still in its folder, and a note on each probe."""
    curves = _curves(Path(output), board.records)
    probed = [
        f"probe, never used to choose unless the row says so: {text}" for curve in curves if (text := curve.probed())
    ]
    return replace(board, curves=curves, notes=(*board.notes, *probed))


def _with_details(board: Board, output: Path) -> Board:
    """The board with curves, confusions, papers and checkpoints of what is still there."""
    # The cards of methods load torch, which boards without details do without.
    from sslskel.leaderboard.literature import literature_of

    return replace(
        with_curves(board, output),
        confusions=confusions_of(board, ResultStore(output)),
        literature=literature_of(board),
        checkpoints=checkpoints_of(output, board.records),
    )


def _require_some(
    output: Path, records: Sequence[Record], benchmarks: Sequence[str] | None, protocols: Sequence[str] | None
) -> None:
    """Raise ``UsageError`` where there are records but none that was asked for, naming what left none."""
    if not records or of_board(records, benchmarks, protocols):
        return
    places = {f"{one.benchmark['name']}/{one.benchmark['split']}" for one in records}
    judges = {one.protocol["name"] for one in records}
    filters = [("--benchmark", benchmarks or (), places), ("--protocol", protocols or (), judges)]
    alone = [not of_board(records, benchmarks, None), not of_board(records, None, protocols)]
    to_blame = [one for one, none in zip(filters, alone, strict=True) if none] or filters
    asked = " and ".join(f"{flag} {','.join(names)}" for flag, names, _ in to_blame)
    known = "; ".join(", ".join(sorted(known)) for *_, known in to_blame)
    there = f"the {len(records):,} records" if len(records) > 1 else "the only record"
    raise UsageError(f"none of {there} in {output} is of {asked} (there are: {known}); name one of these")


def _without_records(
    records: Sequence[Record], benchmarks: Sequence[str] | None, protocols: Sequence[str] | None
) -> list[str]:
    """A sentence for each benchmark and protocol that was asked for and has no record."""
    lacking = [f"--benchmark {name}" for name in benchmarks or () if not of_board(records, [name], None)]
    lacking += [f"--protocol {name}" for name in protocols or () if not of_board(records, None, [name])]
    return [f"no record is of {one}" for one in lacking] if records else []


def _curves(output: Path, records: Iterable[Record]) -> tuple[Curve, ...]:
    pretrained = {record.pretrain_identity: record for record in records if record.seen}
    curves = []
    for identity, record in pretrained.items():
        # A pretraining folder's name ends with the beginning of its identity.
        for path in sorted((output / "pretrain").glob(f"*-{identity[:10]}/metrics.jsonl")):
            lines = _lines(path)
            points = _losses(lines)
            if points:
                name = f"{record.method['name']}, {record.benchmark['name']}, {record.preset}, seed {record.seed}"
                curves.append(Curve(name, points, *_probe(lines)))
    return tuple(sorted(curves, key=lambda curve: curve.label))


def _lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics file; one that a kill cut short is left out."""
    lines = []
    with suppress(OSError):
        for line in read_regular(path).decode("utf-8", errors="replace").splitlines():
            with suppress(ValueError):
                entry: Any = parse_json(line)
                lines += [entry] if isinstance(entry, dict) else []
    return lines


def _probe(lines: Iterable[dict[str, Any]]) -> tuple[str, tuple[tuple[float, float], ...]]:
    """Name and scores of the probe; of several the last one."""
    scores: dict[str, list[tuple[float, float]]] = {}
    for entry in lines:
        for name in entry:
            if name.startswith(PROBE):
                with suppress(ValueError, KeyError, TypeError):
                    scores.setdefault(name, []).append((float(entry["epoch"]), float(entry[name])))
    if not scores:
        return "", ()
    last = max(scores, key=lambda name: scores[name][-1][0])
    return last.removeprefix(PROBE), tuple(scores[last])


def _losses(lines: Iterable[dict[str, Any]]) -> tuple[tuple[float, float], ...]:
    """(epoch, loss), each the mean of a run of lines."""
    points = []
    for entry in lines:
        with suppress(ValueError, KeyError, TypeError):
            points.append((float(entry["epoch"]), float(entry["loss"])))
    run = -(-len(points) // CURVE_POINTS)
    groups = [points[start : start + run] for start in range(0, len(points), max(run, 1))]
    return tuple((group[-1][0], round(sum(loss for _, loss in group) / len(group), 5)) for group in groups)
