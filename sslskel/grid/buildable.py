"""Finds before any work what could not run: methods that cannot be built, and protocols that their encoders do not fit.

Methods are built here as training builds them, on the CPU with initial weights. On torch's meta device they would take
no memory, but arithmetic in a constructor would load torch's compiler, and one that looks at a number would fail.
Nor are random initial values left out, which would take a quarter of the time: where a constructor draws until a
number fits, as torch's ``trunc_normal_`` does, it would work on uninitialised memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import torch

from sslskel.api.dataset import Dataset
from sslskel.api.method import PretextMethod
from sslskel.api.noise import Noise
from sslskel.api.view import ViewSpec
from sslskel.data.loader import ClipSource
from sslskel.data.prepare import open_benchmark
from sslskel.data.step_views import step_views
from sslskel.encoders.adapt import reading_of
from sslskel.encoders.open import build_method
from sslskel.engine.device import check_precision, resolve_device
from sslskel.engine.misfits import refuse_labels, refuse_parts
from sslskel.errors import DataError, PluginError, UsageError
from sslskel.evaluation.judge import check_encoders, check_judgeable
from sslskel.grid.cell import Cell
from sslskel.grid.failures import out_of_memory
from sslskel.grid.initial import take_part
from sslskel.grid.probe import require_probe
from sslskel.grid.request import GridRequest
from sslskel.grid.supervised import require_labels
from sslskel.plugins.own_code import construct, own_code
from sslskel.plugins.registry import BENCHMARKS, PROTOCOLS
from sslskel.transforms.clip import clip_spec

Kind = tuple[str, str, tuple[str, str], str | None]
"""Method, where it is pretrained, where it is judged, and under which protocol."""


@dataclass(frozen=True)
class Checked:
    """The cells of a grid that can run, and a sentence for each method and each protocol that the data do not fit."""

    cells: list[Cell]
    failures: list[str]
    broken: list[tuple[Cell, PluginError]]
    """Cells that were left out since the code of a plugin fails, and how."""


def check_each(cells: Sequence[Cell], datasets: Mapping[str, Dataset]) -> Checked:
    """Check one cell of each kind: device, precision, sizes, stages, views, and the protocol on its data.

    ``datasets`` are those of all cells by name of their benchmark. What several protocols judge is built once, and
    takes the memory of its weights during the check. A method or protocol that the body or the clips do not fit, or
    whose own code fails, takes its own cells out; if that leaves none, its ``DataError`` or ``PluginError`` is raised.
    Raises ``UsageError`` for everything else, and ``CheckpointError`` where a stage does not fit the one before it.
    """
    faults: dict[Kind, UsageError] = {}
    for pretraining, judged in groupby({_kind(cell): cell for cell in cells}.values(), _unjudged):
        faults |= _row_faults(pretraining, list(judged), datasets)
    fitting = [cell for cell in cells if _kind(cell) not in faults]
    if faults and not fitting:
        raise next(iter(faults.values()))
    titles: dict[UsageError, list[Cell]] = {}
    for cell in cells:
        if _kind(cell) in faults:
            titles.setdefault(faults[_kind(cell)], []).append(cell)
    broken = [(one, fault) for fault, own in titles.items() if isinstance(fault, PluginError) for one in own]
    return Checked(fitting, [_failure(fault, left_out) for fault, left_out in titles.items()], broken)


def misfit(method: str, benchmark: str) -> str:
    """Why a method cannot be pretrained on a benchmark with its default options, as a sentence; '' if it can."""
    dataset = open_benchmark(BENCHMARKS.get(benchmark))
    try:
        [cell] = GridRequest(methods=(method,), protocols=(), benchmarks=(benchmark,)).cells()
        _built(cell, dataset)
    except UsageError as fault:
        return str(fault)
    return ""


def _kind(cell: Cell) -> Kind:
    return cell.method, cell.benchmark, cell.judged_on, cell.protocol


def _failure(fault: UsageError, left_out: Sequence[Cell]) -> str:
    """The sentence for cells that one fault takes out, which are of one method."""
    protocols = {cell.protocol for cell in left_out}
    under = f", {next(iter(protocols))}" if len(protocols) == 1 and None not in protocols else ""
    count = f"{len(left_out)} cell{'s' if len(left_out) > 1 else ''}"
    return f"{left_out[0].method} on {left_out[0].benchmark}{under} ({count} left out): {fault}"


def count_weights(cell: Cell, dataset: Dataset) -> int:
    """Number of weights that a cell's pretraining has, frozen ones included; it raises as :func:`check_each`."""
    return sum(p.numel() for p in _built(cell, dataset).parameters())


def _unjudged(cell: Cell) -> Cell:
    """The same for all cells that judge one encoder."""
    return replace(cell, protocol=None, target="", target_split="", resolved=replace(cell.resolved, protocol=None))


def _row_faults(pretraining: Cell, judged: Sequence[Cell], datasets: Mapping[str, Dataset]) -> dict[Kind, UsageError]:
    """What takes cells that judge one encoder out: a fault of its method for all of them, else each its own."""
    try:
        method = _built(pretraining, datasets[pretraining.benchmark])
    except (DataError, PluginError) as fault:
        return dict.fromkeys(map(_kind, judged), fault)
    faults: dict[Kind, UsageError] = {}
    for cell in judged:
        require_labels(cell.method, type(method), cell.protocol)
        if cell.protocol is not None:
            try:
                _check_protocol(cell, cell.protocol, method, datasets)
            except (DataError, PluginError) as fault:
                faults[_kind(cell)] = fault
    return faults


def _built(cell: Cell, dataset: Dataset) -> PretextMethod:
    """A cell's method with initial weights, or with those of the stage before it."""
    resolved = cell.resolved
    check_precision(resolve_device(resolved.engine.device), resolved.engine.precision)
    former = _built(cell.former, dataset) if cell.former else None
    spec = clip_spec(dataset.info, resolved.clip)
    try:
        method = build_method(cell.method, resolved.method, cell.backbone, resolved.backbone, spec, cell.seed)
    except PluginError as fault:
        if fault.__cause__ is None or not out_of_memory(fault.__cause__):
            raise
        raise UsageError(
            f"the weights of '{cell.method}' with these options need more memory than this machine has; make the"
            " method or its backbone smaller"
        ) from fault
    if cell.former and former is not None:
        require_labels(cell.former.method, type(former), None)
        take_part(method, former, cell.part, f"stage '{cell.former.method}'")
    refuse_labels(method)
    if method.trains:
        refuse_parts(method, resolved.train)
        require_probe(resolved.train.probe)
        with own_code(f"method '{cell.method}'", type(method)):
            views = method.views()
        _draw(method, views, dataset)
    return method


def _draw(method: PretextMethod, views: Sequence[ViewSpec], dataset: Dataset) -> None:
    """Draw two clips in every view: an augmentation that the body does not fit is refused where it is applied."""
    clips = torch.arange(min(2, len(dataset)))
    joints = reading_of(method.clip, dataset.info).read
    source = ClipSource(dataset, clips, method.clip, resident=False, joints=joints)
    step_views(source, clips, views, Noise(0, 0).over(source.keys))


def _check_protocol(cell: Cell, name: str, method: PretextMethod, datasets: Mapping[str, Dataset]) -> None:
    """Check that the protocol ``name`` can judge the encoders of a method on the cell's data."""
    protocol = construct(PROTOCOLS, name, cell.resolved.protocol)
    with own_code(f"method '{cell.method}'", type(method)):
        encoders = method.encoders()
    check_encoders(encoders, protocol, cell.method)
    benchmark, split = cell.judged_on
    spec = clip_spec(datasets[cell.benchmark].info, cell.resolved.clip)
    check_judgeable(protocol, BENCHMARKS.get(benchmark), datasets[benchmark], split, spec)
