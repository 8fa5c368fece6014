"""Judges an encoder under one protocol and writes its record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sslskel.api.protocol import EvaluationProtocol
from sslskel.encoders.open import OpenedEncoders, open_encoders
from sslskel.encoders.reuse import features_of
from sslskel.errors import RunError
from sslskel.evaluation.judge import Target, encode_for_another, evaluate_stage
from sslskel.grid.cell import Cell
from sslskel.grid.failures import Unforeseen, in_a_sentence, keep, parts_of_encoder
from sslskel.grid.record import EvaluationTask, make_record, predictions_of
from sslskel.plugins.own_code import construct
from sslskel.plugins.registry import PROTOCOLS
from sslskel.progress import Reporter
from sslskel.results.failures import FailedCell
from sslskel.results.store import ResultStore


def judge_and_record(
    task: EvaluationTask, store: ResultStore, reporter: Reporter, cost: Mapping[str, float] | None = None
) -> None:
    """Evaluate an encoder and write its record; ``cost`` is what its pretraining took, where that is known."""
    dataset, opened, engine = task.target.dataset, task.opened, task.resolved.engine
    features = features_of(store.folder, opened, dataset, engine)
    result = evaluate_stage(
        opened.encoders,
        construct(PROTOCOLS, task.protocol, task.resolved.protocol),
        task.target,
        engine,
        task.seed,
        reporter=reporter,
        others=opened,
        cross_dataset=opened.meta.made_for != dataset.info.name,
        features=features,
    )
    encoding = {
        "encode_seconds": features.seconds,
        "encoded_clips": features.encoded,
        "reused_clips": features.reused,
    }
    store.write(make_record(task, result, {**(cost or {}), **encoding}), predictions_of(result))


def help_to_judge(cell: Cell, folder: Path, target: Target) -> None:
    """Encode a share of the clips while the first process judges the encoder of ``folder``."""

    def asked() -> tuple[OpenedEncoders, EvaluationProtocol]:
        assert cell.protocol is not None
        return open_encoders(folder), construct(PROTOCOLS, cell.protocol, cell.resolved.protocol)

    encode_for_another(asked, target, cell.resolved.engine, cell.seed)


def judge_alone(task: EvaluationTask, store: ResultStore, reporter: Reporter) -> None:
    """:func:`judge_and_record` outside a grid; an error that nobody foresaw is noted as a cell's."""
    meta, place = task.opened.meta, f"{task.target.benchmark.name}/{task.target.split}"
    try:
        with in_a_sentence(parts_of_encoder(meta, task.protocol), alone=True):
            judge_and_record(task, store, reporter)
    except Unforeseen as fault:
        title = f"{meta.method.name} on {place}, seed {task.seed}, {task.protocol}"
        words = keep(store, task.identity, fault, FailedCell(title, place, task.protocol, meta.method.name))
        raise RunError(f"{title}: {words}") from fault
