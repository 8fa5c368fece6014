"""Turns a judged encoder into the record that a board is made of."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sslskel.api.copies import copied_rows
from sslskel.config.compose import Resolved
from sslskel.encoders.meta import CheckpointMeta, MethodMeta
from sslskel.encoders.open import OpenedEncoders, parameter_count
from sslskel.engine.origins import by_content
from sslskel.engine.provenance import command_line, environment
from sslskel.evaluation.judge import EvaluationResult, Target, judged_on
from sslskel.evaluation.leakage import judged_seen
from sslskel.grid.sources import digests, of_checkpoint
from sslskel.plugins.own_code import construct
from sslskel.plugins.registry import METHODS, PROTOCOLS
from sslskel.results.facts import MethodFacts
from sslskel.results.origins import SHORT
from sslskel.results.recomputed import OWN, recomputed, unequal
from sslskel.results.record import CHOSEN_EPOCH, DECLARED, SCHEMA, Record

FIELDS = ("recipe", "selection", "epoch", "labels")
"""Facts of an outcome that have a field of their own in a record."""


@dataclass(frozen=True)
class EvaluationTask:
    """One encoder to be judged under one protocol."""

    identity: str
    """Hex id that the record will have."""
    opened: OpenedEncoders
    protocol: str
    resolved: Resolved
    target: Target
    seed: int


def predictions_of(result: EvaluationResult) -> dict[str, npt.NDArray[Any]]:
    """Arrays stored with a record: one row per prediction, with the clip's true class; and confusion matrices."""
    outcome = result.outcome
    columns = {"condition": outcome.condition, "draw": outcome.draw, "epoch": outcome.epoch}
    stored = {name: column for name, column in columns.items() if column is not None}
    values = {f"value_{name}": np.asarray(v) for name, v in outcome.values.items()}
    others = {f"kept_{name}": v for name, v in outcome.kept.items()}
    return {"keys": outcome.keys, "label": result.labels, **stored, **values, **others, **result.tables}


def config_of(task: EvaluationTask) -> dict[str, Any]:
    """The configuration, and what it lacks: weights to start from, data that the encoder was built for."""
    meta, config = task.opened.meta, task.resolved.plain()
    if meta.declared:
        # Nothing is known of how it was made; the configuration says how clips reach it.
        config = {group: config[group] for group in config if group not in ("method", "backbone", "train")}
        config[DECLARED] = {"source": meta.declared.source_sha256[:12]}
    # Where a file lies tells no rows apart, what is in it does.
    own = [origin for origin in meta.origins if "through" not in origin]
    if named := {origin["option"]: origin["sha256"] for origin in own if "option" in origin}:
        config["method"] = by_content(config["method"], named)
    if others := [origin for origin in own if "option" not in origin]:
        config["origins"] = {f"{one['kind']}_{n}": one["sha256"][:SHORT] for n, one in enumerate(others, 1)}
    in_suite = config.get("train", {}).get("suite")
    if meta.made_for != task.target.dataset.info.name and not meta.seen and not in_suite:
        # Encoders that saw no data differ by what they were built for alone; those of a suite have its one body.
        config["built_for"] = {"dataset": meta.made_for}
    if meta.init:
        # Runs that start from other weights are other rows of a board.
        first, _, part = (meta.init_of_seeds or meta.init).partition(":")
        config["start"] = {"init": first[:12], **({"part": part} if part else {})}
    if meta.stages:
        # The identity of a stage has the seed in it, and a row is of several seeds.
        shown = [{name: stage[name] for name in ("method", "version", "options", "taken")} for stage in meta.stages]
        config["stages"] = {str(number): stage for number, stage in enumerate(shown, 1)}
    return config


def details_of(result: EvaluationResult) -> dict[str, Any]:
    """What the protocol reports of its run beyond the fields of a record, and numbers for comparison only."""
    more = {name: value for name, value in result.outcome.info.items() if name not in FIELDS}
    own = unequal(result.scores, recomputed(result.scores, predictions_of(result), more))
    return {**more, **result.details, **({OWN: own} if own else {})}


def _chosen_epoch(meta: CheckpointMeta) -> dict[str, Any]:
    """Which epoch's weights are judged, where labels had a part in that choice."""
    if "chosen_epoch" not in meta.probed:
        return {}
    return {CHOSEN_EPOCH: {"probe": meta.probed.get("name"), "epoch": meta.probed["chosen_epoch"]}}


def method_facts(method: MethodMeta) -> MethodFacts:
    """The method as records name it, and whether it is written after a description alone."""
    facts, plugin = method.facts(), METHODS.installed(method.plugin)
    if plugin is not None and plugin.card.described:
        facts["described"] = True
    return facts


def make_record(task: EvaluationTask, result: EvaluationResult, cost: Mapping[str, float]) -> Record:
    """Everything that is known of one judged encoder; ``cost`` in seconds, clips and clips per second."""
    meta, target, protocol = task.opened.meta, task.target, construct(PROTOCOLS, task.protocol, task.resolved.protocol)
    encoders, benchmark, dataset = task.opened.encoders, target.benchmark, target.dataset
    info = result.outcome.info
    config, judged = config_of(task), judged_on(protocol, dataset)
    details = {**details_of(result), **_chosen_epoch(meta)}
    copied = copied_rows(judged.copies(), judged.lengths, result.rows.train, result.rows.test)
    return Record(
        schema=SCHEMA,
        identity=task.identity,
        pretrain_identity=meta.identity,
        method=method_facts(meta.method),
        backbone={
            "name": meta.backbone.name if meta.backbone.used else "none",
            "version": meta.backbone.version,
            "parameters": parameter_count(encoders),
        },
        streams=tuple(encoders),
        protocol={
            "name": task.protocol,
            "version": protocol.version,
            "recipe": str(info.get("recipe", "default")),
            "selection": str(info.get("selection", "last")),
        },
        benchmark={
            "name": benchmark.name,
            "version": benchmark.version,
            "split": target.split,
            "fingerprint": dataset.fingerprint,
            "warning": benchmark.split(target.split).warning,
        },
        preset=meta.preset,
        seed=task.seed,
        precision=str(config["engine"]["precision"]),
        config=config,
        primary=protocol.primary,
        scores=result.scores,
        epoch=info.get("epoch"),
        counts=result.counts,
        labels=int(info.get("labels", result.counts["train"])),
        seen=judged_seen(meta.seen, benchmark, judged, target.split, result.rows.test),
        weights_sha256=task.opened.weights_sha256,
        predictions=None,
        environment=environment(str(next(iter(encoders.values())).device)),
        cost={**cost, "evaluate_seconds": result.seconds, "peak_memory_bytes": result.peak_memory},
        command=command_line(),
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        diagnostics=result.diagnostics,
        sources=digests(of_checkpoint(meta, task.protocol)),
        origins=meta.origins,
        pretrain_seed=None if meta.seed == task.seed else meta.seed,
        copied_test_clips=len(copied) or None,
        extra={"details": details} if details else {},
    )
