"""Finds before any work what could not run: methods that cannot be built, and protocols that their encoders do not fit.

Methods are built here as training builds them, on the CPU with initial weights. On torch's meta device they would take
no memory, but arithmetic in a constructor would load torch's compiler, and one that looks at a number would fail.
Nor are random initial values left out, which would take a quarter of the time: where a constructor draws until a
number fits, as torch's ``trunc_normal_`` does, it would work on uninitialised memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from sslskel.api.dataset import Dataset
from sslskel.api.method import PretextMethod
from sslskel.encoders.open import build_method
from sslskel.engine.device import check_precision, resolve_device
from sslskel.engine.misfits import refuse_parts
from sslskel.errors import UsageError
from sslskel.evaluation.judge import check_encoders, check_judgeable
from sslskel.grid.cell import Cell
from sslskel.grid.initial import take_part
from sslskel.plugins.registry import BENCHMARKS, PROTOCOLS
from sslskel.transforms.clip import clip_spec

NO_MEMORY = ("can't allocate memory", "Storage size calculation overflowed")
"""What torch says of a tensor too large for the machine, or for any."""


def check_each(cells: Sequence[Cell], datasets: Mapping[str, Dataset]) -> None:
    """Check one cell of each kind: device, precision, sizes, stages, and the protocol on the data that it judges.

    ``datasets`` are those of all cells by name of their benchmark. What several protocols judge is built once, and
    takes the memory of its weights during the check. Raises ``UsageError``, and ``CheckpointError`` where a stage
    does not fit the one before it.
    """
    kinds = {(c.method, c.benchmark, c.judged_on, c.protocol): c for c in cells}.values()
    for pretraining, judged in groupby(kinds, _unjudged):
        _check_row(pretraining, judged, datasets)


def count_weights(cell: Cell, dataset: Dataset) -> int:
    """Number of weights that a cell's pretraining has, frozen ones included; it raises as :func:`check_each`."""
    return sum(p.numel() for p in _built(cell, dataset).parameters())


def _unjudged(cell: Cell) -> Cell:
    """The same for all cells that judge one encoder."""
    return replace(cell, protocol=None, target="", target_split="", resolved=replace(cell.resolved, protocol=None))


def _check_row(pretraining: Cell, judged: Iterable[Cell], datasets: Mapping[str, Dataset]) -> None:
    method = _built(pretraining, datasets[pretraining.benchmark])
    for cell in judged:
        if cell.protocol is not None:
            _check_protocol(cell, cell.protocol, method, datasets)


def _built(cell: Cell, dataset: Dataset) -> PretextMethod:
    """A cell's method with initial weights, or with those of the stage before it."""
    resolved = cell.resolved
    check_precision(resolve_device(resolved.engine.device), resolved.engine.precision)
    former = _built(cell.former, dataset) if cell.former else None
    spec = clip_spec(dataset.info, resolved.clip)
    try:
        method = build_method(cell.method, resolved.method, cell.backbone, resolved.backbone, spec, cell.seed)
    except RuntimeError as fault:
        if not any(text in str(fault) for text in NO_MEMORY):
            raise
        raise UsageError(
            f"the weights of '{cell.method}' with these options need more memory than this machine has; make the"
            " method or its backbone smaller"
        ) from fault
    if cell.former and former is not None:
        take_part(method, former, cell.part, f"stage '{cell.former.method}'")
    if method.trains:
        refuse_parts(method, resolved.train)
    return method


def _check_protocol(cell: Cell, name: str, method: PretextMethod, datasets: Mapping[str, Dataset]) -> None:
    """Check that the protocol ``name`` can judge the encoders of a method on the cell's data."""
    protocol = PROTOCOLS.get(name)(cell.resolved.protocol)
    check_encoders(method.encoders(), protocol, cell.method)
    benchmark, split = cell.judged_on
    spec = clip_spec(datasets[cell.benchmark].info, cell.resolved.clip)
    check_judgeable(protocol, BENCHMARKS.get(benchmark), datasets[benchmark], split, spec)
