"""What a grid would cost: cells, hours and disk, from a glance at each kind of cell that takes seconds in all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sslskel.api.dataset import Dataset
from sslskel.config.groups import Optimiser
from sslskel.data.prepare import open_benchmark
from sslskel.engine.sampler import EpochSampler
from sslskel.errors import UsageError
from sslskel.grid.buildable import check_each
from sslskel.grid.cell import Cell
from sslskel.grid.failures import Unforeseen, in_a_sentence, parts_of
from sslskel.grid.pretrain import pretrain_folder, training_clips
from sslskel.grid.probe import SHARE
from sslskel.grid.request import GridRequest
from sslskel.grid.run_folder import RunFolder
from sslskel.grid.sources import SourceGuard
from sslskel.hashing import digest
from sslskel.plugins.own_code import construct
from sslskel.plugins.registry import BENCHMARKS, METHODS, PROTOCOLS, looked_up_once
from sslskel.progress import SILENT, Reporter
from sslskel.results.store import ResultStore
from sslskel.speed.expected import sentence
from sslskel.speed.glance import Glance, glance
from sslskel.speed.occupancy import advice

SECONDS_IN_ALL, MOST_SECONDS, LEAST_SECONDS = 10.0, 1.0, 0.1
"""What timing all kinds of cells may take, and most and least of it for training, and for encoding, of one of them."""
BYTES_PER_WEIGHT = {Optimiser.sgd: 8}
"""Weight and optimiser state in float32; of all others, 12."""


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
    untimed: str = ""
    """Why the cell's steps could not be timed, so that its seconds are unknown; empty where they were."""
    advice: tuple[str, ...] = ()
    """What several processes gain in the steps of each stage; empty for one process."""
    expected: tuple[str, ...] = ()
    """What pretraining each stage would take on a GPU, computed; see ``speed.expected``."""
    left: tuple[str, ...] = ()
    """How much is left of each pretraining that was interrupted, in words; the seconds are of that alone."""


@looked_up_once()
def plan(
    request: GridRequest, reporter: Reporter = SILENT, *, limit: float = SECONDS_IN_ALL, processes: int = 1
) -> list[Planned]:
    """List the cells of a grid with estimated seconds and bytes; nothing is trained or written.

    The estimate times a few clips of each kind of cell on this machine, all of them in about ``limit`` seconds;
    evaluation is counted as the passes over the clips that the protocol makes. Seconds are of one process, whatever
    ``processes`` would train together.
    """
    cells = request.cells()
    used = dict.fromkeys(name for cell in cells for name in (cell.benchmark, cell.judged_on[0]))
    datasets = {name: open_benchmark(BENCHMARKS.get(name)) for name in used}
    checked = check_each(cells, datasets)
    cells = checked.cells
    guard = SourceGuard(ResultStore(request.output), request.keep_results, writes=False)
    rates, counted, rows = _rates(cells, limit, reporter), set(), []
    for cell in cells:
        dataset, target = datasets[cell.benchmark], datasets[cell.judged_on[0]]
        seconds, size, encode_rate, refused, untimed = 0.0, 0, 1.0, "", ""
        gains: list[str] = []
        expected: list[str] = []
        left: list[str] = []
        done = not guard.is_due(cell, cell.identity(dataset, target))
        for stage in cell.stages:
            rate = rates[_kind(stage)]
            identity = stage.pretrain_identity(dataset)
            folder = pretrain_folder(request.output, stage, identity)
            encode_rate, untimed = (1.0, untimed or rate) if isinstance(rate, str) else (rate.encode_rate, untimed)
            new = not folder.exists() or guard.is_outdated(stage, folder)
            share = 1.0 if new else 0.0 if done or identity in counted else _share_left(stage, dataset, folder)
            if identity not in counted and share:
                more = (0.0, 0) if isinstance(rate, str) else _pretraining(stage, dataset, rate)
                # Checkpoints of a run that goes on take the place of those that are there.
                seconds, size = seconds + share * more[0], size + (more[1] if new else 0)
                left += [] if new else [_left(stage, share)]
            counted.add(identity)
            if not isinstance(rate, str) and rate.steps:
                expected += _expected(stage, rate)
                gains += _gains(stage, rate, processes)
            refused = refused or ("" if done else guard.refusal(stage, folder))
        evaluation = 0.0 if untimed else _passes(cell, target) / encode_rate
        rows.append(
            Planned(
                cell.title,
                done,
                evaluation + seconds,
                size,
                refused=refused,
                untimed=untimed,
                advice=tuple(gains),
                expected=tuple(expected),
                left=tuple(left),
            )
        )
    return rows + [Planned(failure, False, 0.0, 0, fits=False) for failure in checked.failures]


def _share_left(stage: Cell, dataset: Dataset, folder: Path) -> float:
    """What share of its steps a pretraining has not taken, by its newest valid checkpoint."""
    run = RunFolder.read(folder)
    return 0.0 if run.finished else 1 - run.step / max(1, _steps(stage, dataset))


def _left(stage: Cell, share: float) -> str:
    epochs = stage.resolved.train.trained_epochs
    return f"{share * epochs:.3g} of {epochs} epochs of pretraining {stage.method} are left"


def _expected(stage: Cell, rate: Glance) -> list[str]:
    train, precision = stage.resolved.train, stage.resolved.engine.precision
    if rate.work is None:
        return []
    return [sentence(stage.method, rate.work, train.batch_size, precision, train.trained_epochs)]


def _gains(stage: Cell, rate: Glance, processes: int) -> list[str]:
    gained = advice(rate.steps, stage.resolved.train.batch_size, processes)
    return [f"{stage.method}: {gained}"] if gained else []


def _rates(cells: Sequence[Cell], in_all: float, reporter: Reporter) -> dict[tuple[str, ...], Glance | str]:
    """By kind of cell what its steps cost, or why they could not be timed."""
    kinds = {_kind(stage): stage for cell in cells for stage in cell.stages}
    limit = max(LEAST_SECONDS, min(MOST_SECONDS, in_all / 2 / max(1, len(kinds))))
    rates: dict[tuple[str, ...], Glance | str] = {}
    for kind, stage in kinds.items():
        reporter.step("estimate", len(rates), len(kinds), method=stage.method)
        try:
            with in_a_sentence(parts_of(stage)):
                rates[kind] = glance(stage, limit)
        except (Unforeseen, UsageError) as fault:
            rates[kind] = str(fault)
    return rates


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


def _pretraining(cell: Cell, dataset: Dataset, rate: Glance) -> tuple[float, int]:
    """Seconds of a pretraining, and bytes of the checkpoints that it keeps."""
    train, steps = cell.resolved.train, _steps(cell, dataset)
    size = rate.weights * BYTES_PER_WEIGHT.get(train.optimiser, 12) * train.keep_checkpoints
    return steps * rate.step_seconds + _probed(cell, dataset) / rate.encode_rate, size


def _steps(cell: Cell, dataset: Dataset) -> int:
    train = cell.resolved.train
    clips = training_clips(cell, dataset, BENCHMARKS.get(cell.benchmark))
    return train.trained_epochs * EpochSampler(clips, train.batch_size, 0, train.drop_last).steps_per_epoch


def _probed(cell: Cell, dataset: Dataset) -> float:
    """Number of clips that the probe of a cell's pretraining sends through the encoder."""
    train = cell.resolved.train
    if not (train.probe and METHODS.get(cell.method).trains):
        return 0.0
    clips = len(BENCHMARKS.get(cell.benchmark).split(cell.split).part(dataset, "train"))
    protocol, held = construct(PROTOCOLS, train.probe, cell.probe_config()), clips // SHARE
    # The untrained network, the epochs between, and the last one.
    times = 2 + (train.trained_epochs - 1) // train.probe_epochs
    passes: float = protocol.passes(clips - held, held)
    return times * passes
