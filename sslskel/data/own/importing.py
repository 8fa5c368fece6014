"""Import of your own dataset: its description is determined, its clips are read, and all of it is stored at once.

What a table, a layout file and a split are is in the files beside this one; how clips are
read one by one is in ``reading.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sslskel.api.benchmark import ImportReport
from sslskel.api.dataset import DatasetInfo
from sslskel.data.own.axes import MOST_PERSONS, ArrayFormat
from sslskel.data.own.gathering import gathered
from sslskel.data.own.layout_file import Description, read_description
from sslskel.data.own.numbering import FIELDS, Numbering, numbered, with_pattern
from sslskel.data.own.reading import ClipReader, Settled
from sslskel.data.own.recordings import Recording
from sslskel.data.own.request import Request
from sslskel.data.own.splitting import Rule, check_parts, splits_of
from sslskel.data.own.units import as_stored, is_known
from sslskel.data.store.format import SPLITS
from sslskel.data.store.rows import check_info
from sslskel.data.store.store import open_dataset, write_dataset
from sslskel.errors import DataError, UsageError
from sslskel.paths import BENCHMARK_FILE, data_root
from sslskel.plugins.registry import BENCHMARKS
from sslskel.progress import SILENT, Reporter

DEFAULT_FPS = 30.0
SHOWN_NUMBERS = 40
"""Subjects whose numbers a note spells out."""


def import_dataset(
    name: str,
    *,
    clips: Path | str | Sequence[Path | str] | None = None,
    layout: Path | str | None = None,
    pyskl: Path | str | Sequence[Path | str] | None = None,
    source: Path | str | None = None,
    fps: float | None = None,
    unit: str | None = None,
    split_by: str = "subject",
    train: Sequence[str] | None = None,
    validation: Sequence[str] | None = None,
    name_pattern: str | None = None,
    strict: bool = False,
    overrides: Sequence[str] = (),
    root: Path | None = None,
    reporter: Reporter = SILENT,
) -> Path:
    """Import your own dataset as benchmark ``name`` and return the folder of its prepared data.

    Either ``clips``, a labels table of files in any of ``formats.table.FORMATS`` or the files of a whole
    set (``sets.table.FORMS``), or ``pyskl``, pickles in that form. ``layout`` is a layout file or the name of
    a known body; BVH files bring their own.
    ``overrides`` are keys of the layout file as ``KEY=VALUE``, which win over it.
    Where the clips state no split, one is made over ``split_by``: its values ``train`` (default: every
    other one) train, the rest tests, and the training subjects ``validation`` may be held out.

    A clip that cannot be read is left out and named in the report that is kept with the data, or ends
    the import with ``strict``. Faults of the table and the layout always end it.

    Raises ``DataError`` (file, line or clip, what was found, expected, how to correct it) and
    ``UsageError``; in every such case nothing appears under the name, and an earlier import stays.
    """
    request = Request(
        name,
        clips=_paths(clips),
        pyskl=_paths(pyskl),
        layout=None if layout is None else str(layout),
        source=None if source is None else Path(source),
        fps=fps,
        unit=unit,
        split_by=split_by,
        train=None if train is None else tuple(map(str, train)),
        validation=None if validation is None else tuple(map(str, validation)),
        name_pattern=name_pattern,
        strict=strict,
        overrides=tuple(overrides),
    )
    return _imported(request, root or data_root(), reporter)


def _paths(entered: Path | str | Sequence[Path | str] | None) -> tuple[Path, ...] | None:
    if entered is None:
        return None
    return (Path(entered),) if isinstance(entered, (str, Path)) else tuple(map(Path, entered))


def _imported(request: Request, root: Path, reporter: Reporter) -> Path:
    target, report = root / request.name, ImportReport()
    _check(request, target)
    described = read_description(request.layout, request.overrides)
    described = replace(described, fps=request.fps or described.fps, unit=request.unit or described.unit)
    recordings, described, layout = gathered(request, described, report)
    recordings = with_pattern(recordings, request.name_pattern)
    numbering, splits = _divided(request, recordings, described)
    reader = ClipReader(request.name, recordings, report, request.strict, reporter)
    form, first = reader.array_format(described, layout)
    measured = described.fps is None and first is not None and first.measured and first.fps is not None
    if first is not None:
        described = replace(described, fps=described.fps or first.fps, unit=described.unit or first.unit or None)
    info = _info(request.name, described, form, numbering)
    check_info(info)
    settled = Settled(replace(form, unit=info.unit), numbering, described, info.fps, measured)
    _tell(recordings, settled, info, splits, report)
    write_dataset(
        target,
        info,
        reader.clips(settled),
        report=report,
        check=lambda dataset, report: check_parts(dataset, splits, recordings, numbering, report.dropped),
        beside={
            BENCHMARK_FILE: _benchmark_words(request, described, info),
            SPLITS: {"splits": splits, "default": next(iter(splits))},
        },
        most_persons=True,
    )
    open_dataset(target).copies(reporter)
    return target


def _divided(
    request: Request, recordings: Sequence[Recording], described: Description
) -> tuple[Numbering, Mapping[str, Mapping[str, Any]]]:
    """Numbers for what is written in words, and the splits; faults of the files that state them name the first one."""
    try:
        numbering = numbered(recordings, described.classes)
        return numbering, splits_of(recordings, numbering, Rule(request.split_by, request.train, request.validation))
    except DataError as fault:
        [first, *_] = request.pyskl or request.clips or ()
        if first.name in str(fault):
            raise
        raise DataError(f"'{first}': {fault}") from fault


def _check(request: Request, target: Path) -> None:
    others = [entry for entry in BENCHMARKS.entries() if entry.name == request.name and entry.source != "imported"]
    if others:
        raise UsageError(f"there is a benchmark '{request.name}' already ({others[0].origin}); choose another name")
    if target.exists() and any(target.iterdir()) and not (target / BENCHMARK_FILE).is_file():
        raise UsageError(f"'{target}' holds something that was not imported under this name; choose another name")
    request.check()


def _info(name: str, described: Description, form: ArrayFormat, numbering: Numbering) -> DatasetInfo:
    return DatasetInfo(
        name=name,
        version=1,
        layout=form.layout,
        classes=numbering.classes,
        fps=described.fps or DEFAULT_FPS,
        unit=as_stored(described.unit or ("metre" if form.dimensions == 3 else "pixel")),
        coordinates=form.dimensions,
        persons=MOST_PERSONS,
        licence=described.licence,
    )


def _benchmark_words(request: Request, described: Description, info: DatasetInfo) -> dict[str, Any]:
    """What ``read_benchmark`` needs besides the dataset and its splits."""
    return {
        "title": described.title or f"{request.name} (own data)",
        "citation": described.citation or "none given",
        "preset": described.preset,
        # Clips are stored as recorded; numbers far from 1 are no food for a network.
        "recipe": {"clip": {"centre": "first" if info.unit == "metre" else "sized"}},
        "command": request.command(),
    }


def _tell(
    recordings: Sequence[Recording],
    settled: Settled,
    info: DatasetInfo,
    splits: Mapping[str, Mapping[str, Any]],
    report: ImportReport,
) -> None:
    """Everything that was assumed or numbered, as notes."""
    notes, described, form, numbering = report.notes, settled.described, settled.form, settled.numbering
    if settled.measured:
        notes.append(f"the times of the first clip tell {info.fps:.4g} frames per second (fps, --fps)")
    elif described.fps is None:
        notes.append(f"the frame rate is not given; {DEFAULT_FPS:g} frames per second are assumed (fps, --fps)")
    if described.unit is None:
        notes.append(f"the unit is not given; {info.unit} is assumed (unit, --unit)")
    elif not is_known(described.unit):
        notes.append(
            f"'{info.unit}' is no length that is known here, so that clips are scaled by their own size (unit)"
        )
    if form.guessed:
        numbers = ", ".join(form.coordinates).replace("c", "confidence")
        notes.append(f"the numbers of a joint are taken for its {numbers} (coordinates)")
    unlabelled = sum(not recording.label for recording in recordings)
    if unlabelled:
        notes.append(f"{unlabelled} of {len(recordings)} clips have no label")
    for field in FIELDS:
        words = numbering.fields[field]
        if any(word != str(number) for word, number in words.items()):
            some = ", ".join(f"{word} {number}" for word, number in list(words.items())[:SHOWN_NUMBERS])
            notes.append(f"{field}s are numbered: {some}{' ...' if len(words) > SHOWN_NUMBERS else ''}")
    for name, split in splits.items():
        if not split["validation"]:
            notes.append(f"split '{name}' has no validation part: its training clips do not state two subjects")
        if split["warning"]:
            notes.append(f"split '{name}': {split['warning']}")
