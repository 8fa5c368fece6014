"""What a pretraining takes: steps, clips, and hours of one GPU, computed from the operations of a step.

A step of a few made-up clips is done here, with initial weights, and its operations are counted. How long they would
take a GPU, ``expected`` computes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import torch

from sslskel.api.dataset import DatasetInfo
from sslskel.checks.fixtures import make_dataset
from sslskel.config.compose import Resolved, from_plain
from sslskel.config.groups import ClipConfig, Precision, TrainConfig
from sslskel.engine.sampler import EpochSampler
from sslskel.errors import SslskelError
from sslskel.grid.cell import Cell
from sslskel.grid.failures import in_a_sentence, parts_of
from sslskel.grid.request import GridRequest
from sslskel.leaderboard.ladder import Effort, Rung
from sslskel.plugins.registry import BENCHMARKS, METHODS
from sslskel.progress import SILENT, Reporter
from sslskel.results.record import Record
from sslskel.speed.expected import CHIP, LAUNCH_SECONDS, PEAK_SHARE, Work, step_seconds, work_of
from sslskel.speed.workload import PROBE, Workload, workload_on

NOTE = (
    f"GPU-hours are computed, not measured: steps of a pretraining on one {CHIP}, whose operations are counted here on"
    f" {PROBE[0]} made-up clips; the time of one is that of its products at {PEAK_SHARE:.0%} of the peak and of all"
    f" else at the speed of the memory, or that of {LAUNCH_SECONDS * 1e6:.0f} µs for each launch where this is longer"
)


class Efforts:
    """Computes efforts, each kind of pretraining once."""

    def __init__(self, reporter: Reporter = SILENT) -> None:
        self._reporter = reporter
        self._counts: dict[tuple[str, ...], tuple[Work, int]] = {}

    def of_record(self, record: Record) -> Effort | None:
        """Of the pretraining behind a record; None where its method or data are not known here."""
        if not record.seen:
            return Effort(parameters=record.backbone["parameters"])
        home, clips = record.seen[0], sum(one["clips"] for one in record.seen)
        name = record.method["name"]
        if not _is_installed(name) or BENCHMARKS.installed(home["dataset"]) is None:
            return None
        try:
            cell = _cell(name, f"{home['dataset']}/{home['split']}", record.preset, record.backbone["name"])
            cell = replace(cell, resolved=_as_recorded(cell.resolved, record))
            return self._of_stages(cell, clips, record.precision)
        except (SslskelError, KeyError):
            return None

    def of_method(self, name: str, preset: str, benchmarks: Sequence[tuple[str, str, int]]) -> Effort | None:
        """Of a method that has no record: its pretraining on each of (benchmark, split, training clips)."""
        try:
            whole = Effort()
            for benchmark, split, clips in benchmarks:
                whole += self._of_stages(_cell(name, f"{benchmark}/{split}", preset, None), clips, "fp32")
        except SslskelError:
            return None
        return whole if benchmarks else None

    def _of_stages(self, cell: Cell, clips: int, precision: str) -> Effort:
        whole = Effort()
        for stage in cell.stages:
            train = stage.resolved.train
            if not METHODS.get(stage.method).trains:
                continue
            work, parameters = self._counted(stage)
            sampler = EpochSampler(clips, train.batch_size, 0, train.drop_last)
            steps = train.trained_epochs * sampler.steps_per_epoch
            hours = steps * step_seconds(work, sampler.largest, Precision(precision)) / 3600
            whole += Effort(steps, sampler.clips_until(steps), hours, parameters)
        return whole

    def _counted(self, cell: Cell) -> tuple[Work, int]:
        """What a step does, and weights of the encoders."""
        plain = cell.resolved.plain()
        info = BENCHMARKS.get(cell.benchmark).info
        kind = (
            cell.method,
            cell.backbone,
            str(plain["method"]),
            str(plain["backbone"]),
            str(plain["clip"]),
            _body(info),
        )
        if kind not in self._counts:
            self._reporter.step("count", len(self._counts), len(self._counts) + 1, method=cell.method)
            with in_a_sentence(parts_of(cell)), torch.random.fork_rng(devices=[]):
                workload = workload_on(cell, make_dataset(info, PROBE[0]))
                work = work_of(lambda clips: workload.learn(0, workload.rows(0, clips)), PROBE[0])
                self._counts[kind] = work, _weights(workload)
        return self._counts[kind]


def unscored(efforts: Efforts, records: Sequence[Record]) -> list[Rung]:
    """A rung without scores for every built-in method that trains and has no record, at the cost that it would have.

    By the preset of most records.
    """
    [(preset, _)] = Counter(record.preset for record in records).most_common(1)
    places = {
        (record.benchmark["name"], record.benchmark["split"]): record.counts["train"]
        for record in records
        if BENCHMARKS.installed(record.benchmark["name"]) is not None
    }
    benchmarks = [(name, split, clips) for (name, split), clips in sorted(places.items())]
    there = {record.method["name"] for record in records}
    names = [entry.name for entry in METHODS.entries() if _is_installed(entry.name) and entry.name not in there]
    rungs = []
    for name in names:
        method = METHODS.get(name)
        if method.trains:
            rungs.append(Rung(name, preset, method.card.described, efforts.of_method(name, preset, benchmarks)))
    return rungs


def _is_installed(name: str) -> bool:
    """Whether a name is of code that is installed: that of a working folder runs for those who ask for it alone."""
    entries = [entry for entry in METHODS.entries() if entry.name == name]
    return len(entries) == 1 and METHODS.installed(METHODS.plugin_of(name)) is not None


def _cell(name: str, benchmark: str, preset: str, backbone: str | None) -> Cell:
    request = GridRequest(
        methods=(name,),
        protocols=(),
        benchmarks=(benchmark,),
        preset=preset,
        backbone=backbone,
        overrides=("engine.device=cpu", "engine.precision=fp32"),
    )
    return request.single_pretraining()


def _as_recorded(resolved: Resolved, record: Record) -> Resolved:
    """The configuration with the options of a record."""
    made = record.config
    return replace(
        resolved,
        method=from_plain(type(resolved.method), made["method"], "method"),
        backbone=from_plain(type(resolved.backbone), made["backbone"], "backbone"),
        clip=from_plain(ClipConfig, made["clip"], "clip"),
        train=from_plain(TrainConfig, made["train"], "train"),
    )


def _body(info: DatasetInfo) -> str:
    return f"{info.layout.name} {info.layout.num_joints} {info.coordinates} {info.persons}"


def _weights(workload: Workload) -> int:
    return sum(p.numel() for encoder in workload.method.encoders().values() for p in encoder.parameters())
