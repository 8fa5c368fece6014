"""Late fusion of records: logits of joint, bone and motion streams, summed with fixed weights.

Each stream was pretrained and judged on its own; nothing is trained or chosen here.
"""

from __future__ import annotations

import datetime
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sslskel.api.protocol import Outcome
from sslskel.config.groups import Stream
from sslskel.engine.provenance import command_line, environment
from sslskel.errors import UsageError
from sslskel.evaluation.diagnostics import diagnose
from sslskel.evaluation.metrics import logit_scores
from sslskel.hashing import digest
from sslskel.results.record import Record
from sslskel.results.store import ResultStore

WEIGHTS = {"joint": 0.6, "bone": 0.6, "motion": 0.4}
"""Of released AimCLR (Guo et al., AAAI 2022) and of the supervised networks before it."""
VERSION = 1
"""Of the fusion; part of a record's identity."""


def stream_of(record: Record) -> str:
    """What the record's encoder was fed with."""
    return str(record.config.get("clip", {}).get("stream", "joint"))


def parse_weights(text: str) -> dict[str, float]:
    """``joint=0.6,bone=0.6,motion=0.4`` as numbers; raises ``UsageError`` for anything else."""
    weights: dict[str, float] = {}
    known = [stream.value for stream in Stream]
    for word in filter(None, (word.strip() for word in text.split(","))):
        name, _, value = word.partition("=")
        try:
            weight = float(value)
        except ValueError:
            weight = 0.0
        if name not in known or name in weights or not 0 < weight < float("inf"):
            raise UsageError(
                f"--weights {text}: '{word}' is not a stream with a positive weight; write for instance"
                f" joint=0.6,bone=0.6,motion=0.4 (streams: {', '.join(known)})"
            )
        weights[name] = weight
    if len(weights) < 2:
        raise UsageError(f"--weights {text} names {len(weights)} stream; an ensemble has two or more")
    return weights


def fused_by_seed(
    results: Path, method: str, benchmark: str, protocol: str, weights: Mapping[str, float], split: str | None = None
) -> list[Record]:
    """Fuse, for every seed, the records of one method that differ in their stream; returns the new records.

    Raises ``UsageError`` where a stream has no record, where several fit, and where no seed
    has all streams.
    """
    store = ResultStore(results)
    fitting: dict[str, dict[int, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in store.records():
        same = (record.method["name"], record.benchmark["name"], record.protocol["name"])
        own = same == (method, benchmark, protocol) and split in (None, record.benchmark["split"])
        if own and "ensemble" not in record.config:
            fitting[stream_of(record)][record.seed].append(record)
    for stream in weights:
        if not fitting[stream]:
            raise UsageError(
                f"{results} has no record of '{method}' on '{benchmark}' under '{protocol}' with stream '{stream}'; run"
                f" sslskel bench --method {method} --benchmark {benchmark} --protocol {protocol} clip.stream={stream}"
            )
    seeds = sorted(set.intersection(*(set(fitting[stream]) for stream in weights)))
    if not seeds:
        raise UsageError(f"no seed of '{method}' has all of the streams {', '.join(weights)}; run the same --seeds")
    made = []
    for seed in seeds:
        for stream in weights:
            several = fitting[stream][seed]
            if len(several) > 1:
                names = ", ".join(record.identity for record in several)
                raise UsageError(
                    f"several records of stream '{stream}' and seed {seed} fit ({names}); give one identity per stream"
                )
        made.append(fuse(store, {stream: fitting[stream][seed][0] for stream in weights}, weights))
    return made


def fuse_identities(results: Path, identities: Sequence[str], weights: Mapping[str, float]) -> Record:
    """Fuse records that are named, one for each stream that has a weight."""
    store = ResultStore(results)
    records = [store.read(identity) for identity in identities]
    streams = [stream_of(record) for record in records]
    if sorted(streams) != sorted(weights):
        raise UsageError(
            f"the records are of streams {', '.join(streams)}, but there are weights for {', '.join(weights)};"
            " give one record for each"
        )
    return fuse(store, dict(zip(streams, records, strict=True)), weights)


def fuse(store: ResultStore, parts: Mapping[str, Record], weights: Mapping[str, float]) -> Record:
    """Write the record of the weighted sum of the streams' logits; an existing one is returned.

    Raises ``UsageError`` for records of other test clips, protocols or data, and for records
    that keep no logits.
    """
    order = [stream for stream in weights if stream in parts]
    first = parts[order[0]]
    for stream in order[1:]:
        _require_same(first, parts[stream], stream)
    shown = {stream: weights[stream] for stream in order}
    identity = digest(
        {"ensemble": [[s, parts[s].identity, parts[s].weights_sha256] for s in order], "weights": shown, "v": VERSION}
    )
    if store.has(identity):
        return store.read(identity)
    keys, labels, logits = _aligned(store, {stream: parts[stream] for stream in order})
    total = fused(logits, shown)
    outcome = Outcome(keys, {"logits": total})
    diagnostics, tables = diagnose(outcome, labels, total.shape[1])
    values = {"keys": keys, "label": labels, "value_logits": total, **tables}
    return store.write(
        _record(identity, [parts[s] for s in order], shown, logit_scores(total, labels), diagnostics), values
    )


def fused(logits: Mapping[str, npt.NDArray[Any]], weights: Mapping[str, float]) -> npt.NDArray[np.float64]:
    """The weighted sum of the streams' logits, (R, num_classes) each."""
    total: npt.NDArray[np.float64] = sum(
        (weight * logits[stream].astype(np.float64) for stream, weight in weights.items()), np.zeros(())
    )
    return total


def _facts(record: Record) -> dict[str, Any]:
    judged, protocol = record.benchmark, record.protocol
    return {
        "method": record.method["name"],
        "benchmark": (judged["name"], judged["split"], judged["fingerprint"]),
        "protocol": (protocol["name"], protocol["version"], protocol["recipe"]),
        "seed": record.seed,
    }


def _require_same(first: Record, other: Record, stream: str) -> None:
    one, another = _facts(first), _facts(other)
    differ = [name for name in one if one[name] != another[name]]
    if differ:
        raise UsageError(
            f"records {first.identity} and {other.identity} ({stream}) differ in {', '.join(differ)}; an ensemble is of"
            " one method, benchmark, protocol and seed"
        )


def _aligned(
    store: ResultStore, parts: Mapping[str, Record]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], dict[str, npt.NDArray[Any]]]:
    """Clip ids and labels (R,), and per stream logits (R, num_classes) in the order of the ids."""
    keys: npt.NDArray[np.int64] | None = None
    labels: npt.NDArray[np.int64] | None = None
    logits = {}
    for stream, record in parts.items():
        arrays = store.predictions(record)
        if "value_logits" not in arrays or len(np.unique(arrays["keys"])) != len(arrays["keys"]):
            raise UsageError(
                f"record {record.identity} ({record.protocol['name']}) keeps no single row of logits per test clip, so"
                " it cannot be summed; fuse records of a protocol that does"
            )
        order = np.argsort(arrays["keys"])
        own = arrays["keys"][order]
        if keys is None:
            keys, labels = own, arrays["label"][order]
        elif not np.array_equal(keys, own):
            missing = len(np.setdiff1d(keys, own)) + len(np.setdiff1d(own, keys))
            raise UsageError(
                f"record {record.identity} ({stream}) was evaluated on other test clips than the first: {missing} are"
                " in one of the two alone; evaluate all streams on the same split"
            )
        logits[stream] = arrays["value_logits"][order]
    assert keys is not None
    assert labels is not None
    return keys, labels, logits


def _record(
    identity: str,
    parts: Sequence[Record],
    weights: Mapping[str, float],
    scores: Mapping[str, float],
    diagnostics: Mapping[str, Any],
) -> Record:
    first = parts[0]
    clip = {name: value for name, value in first.config.get("clip", {}).items() if name != "stream"}
    seen = {str(sorted(one.items())): one for part in parts for one in part.seen}
    origins = {str(sorted(one.items())): one for part in parts for one in part.origins}
    spent = {
        name: sum(amounts) if (amounts := [a for p in parts if (a := p.cost.get(name)) is not None]) else None
        for name in ("pretrain_seconds", "evaluate_seconds")
    }
    peak = max((part.cost.get("peak_memory_bytes") or 0.0 for part in parts), default=0.0)
    whole = hashlib.sha256("".join(part.weights_sha256 for part in parts).encode()).hexdigest()
    return replace(
        first,
        identity=identity,
        pretrain_identity=digest({"ensemble": [part.pretrain_identity for part in parts]}),
        backbone={**first.backbone, "parameters": sum(part.backbone["parameters"] for part in parts)},
        streams=tuple(weights),
        config={**first.config, "clip": clip, "ensemble": dict(weights)},
        primary="top1",
        scores=dict(scores),
        epoch=first.epoch if len({part.epoch for part in parts}) == 1 else None,
        seen=tuple(seen.values()),
        origins=tuple(origins.values()),
        weights_sha256=whole,
        predictions=None,
        environment=environment(str(first.environment["device"])),
        cost={**spent, "peak_memory_bytes": peak, "samples_per_second": None},
        command=command_line(),
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        diagnostics=dict(diagnostics),
        extra={"details": {"ensemble_of": {stream_of(part): part.identity for part in parts}}},
    )
