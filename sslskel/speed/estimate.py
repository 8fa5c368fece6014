"""What a grid would cost: cells, hours and disk, from a few timed steps of each kind of cell."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sslskel.api.dataset import Dataset
from sslskel.data.prepare import open_benchmark
from sslskel.grid.buildable import check_each, count_weights
from sslskel.grid.cell import Cell
from sslskel.grid.pretrain import pretrain_folder
from sslskel.grid.request import GridRequest
from sslskel.grid.sources import SourceGuard
from sslskel.hashing import digest
from sslskel.plugins.own_code import construct
from sslskel.plugins.registry import BENCHMARKS, METHODS, PROTOCOLS, looked_up_once
from sslskel.results.store import ResultStore
from sslskel.speed.works import measure_cell

STEPS = 2
TIMED = ("pretraining", "encoding")
BYTES_PER_WEIGHT = {"sgd": 8, "adam": 12, "adamw": 12}
"""Weight and optimiser state in float32."""


@dataclass(frozen=True)
class Planned:
    """One cell of a dry run. Pretraining is counted in the first cell that needs it."""

    title: str
    done: bool
    seconds: float
    bytes: int
    fits: bool = True
    """False: the title is a sentence on cells that are left out, since the data do not fit them."""
    refused: str = ""
    """Why the run would end at this cell, as a sentence; empty where it would not."""


@looked_up_once()
def plan(request: GridRequest) -> list[Planned]:
    """List the cells of a grid with estimated seconds and bytes; nothing is trained or written.

    The estimate times a few steps on this machine; evaluation is counted as the passes
    over the clips that the protocol makes.
    """
    cells = request.cells()
    used = dict.fromkeys(name for cell in cells for name in (cell.benchmark, cell.judged_on[0]))
    datasets = {name: open_benchmark(BENCHMARKS.get(name)) for name in used}
    checked = check_each(cells, datasets)
    cells = checked.cells
    guard = SourceGuard(ResultStore(request.output), request.keep_results, writes=False)
    rates, counted, rows = {}, set(), []
    for cell in cells:
        dataset, target = datasets[cell.benchmark], datasets[cell.judged_on[0]]
        seconds, size, encode_rate, refused = 0.0, 0, 1.0, ""
        done = not guard.is_due(cell, cell.identity(dataset, target))
        for stage in cell.stages:
            kind = _kind(stage)
            if kind not in rates:
                rates[kind] = _measure(stage, dataset)
            train_seconds, encode_rate, bytes_kept = rates[kind]
            identity = stage.pretrain_identity(dataset)
            folder = pretrain_folder(request.output, stage, identity)
            if identity not in counted and (not folder.exists() or guard.is_outdated(stage, folder)):
                seconds, size = seconds + train_seconds, size + bytes_kept
            counted.add(identity)
            refused = refused or ("" if done else guard.refusal(stage, folder))
        evaluation = _passes(cell, target) / encode_rate
        rows.append(Planned(cell.title, done, evaluation + seconds, size, refused=refused))
    return rows + [Planned(failure, False, 0.0, 0, fits=False) for failure in checked.failures]


def _passes(cell: Cell, dataset: Dataset) -> float:
    """Number of clips that the cell's protocol sends through the encoder."""
    assert cell.protocol is not None
    benchmark, split = cell.judged_on
    rule = BENCHMARKS.get(benchmark).split(split)
    protocol = construct(PROTOCOLS, cell.protocol, cell.resolved.protocol)
    passes: float = protocol.passes(len(rule.part(dataset, "train")), len(rule.part(dataset, "test")))
    return passes


def _kind(cell: Cell) -> tuple[str, ...]:
    """Equal for cells whose pretraining costs the same."""
    options = {group: values for group, values in cell.resolved.plain().items() if group != "protocol"}
    return cell.method, cell.backbone, cell.benchmark, cell.split, digest(options)


def _measure(cell: Cell, dataset: Dataset) -> tuple[float, float, int]:
    """Seconds of pretraining, clips encoded per second, bytes of the kept checkpoints."""
    weights, train = count_weights(cell, dataset), cell.resolved.train
    with torch.random.fork_rng(devices=[]):
        speed = measure_cell(cell, STEPS, TIMED)
    seconds = 0.0
    if METHODS.get(cell.method).trains:
        clips = len(BENCHMARKS.get(cell.benchmark).split(cell.split).part(dataset, "train"))
        steps = train.trained_epochs * max(1, clips // train.batch_size)
        seconds = steps * speed["pretraining"]["step_seconds"]["median"]
    size = weights * BYTES_PER_WEIGHT[train.optimiser.value] * train.keep_checkpoints
    return seconds, speed["encoding"]["samples_per_second"], size
