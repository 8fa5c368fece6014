"""Turns a judged encoder into the record that a board is made of."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sslskel import __version__
from sslskel.api.benchmark import Benchmark
from sslskel.api.dataset import Dataset
from sslskel.api.encoder import Encoder
from sslskel.api.protocol import EvaluationProtocol
from sslskel.encoders.meta import CheckpointMeta
from sslskel.encoders.open import parameter_count, weights_digest
from sslskel.engine.device import hardware
from sslskel.evaluation.judge import Judged, judged_on
from sslskel.evaluation.leakage import judged_seen
from sslskel.plugins.registry import PROTOCOLS
from sslskel.results.record import SCHEMA, Record

COMMAND = "SSLSKEL_COMMAND"
"""Environment variable in which a command that starts others tells them what was typed."""
TOLD = ("recipe", "selection", "epoch", "labels")
"""What an outcome says that has a field of its own in a record."""
PACKAGES = ("torch", "accelerate", "hydra-core", "numpy", "scikit-learn", "safetensors")


def environment(device: str) -> dict[str, Any]:
    """Versions, hardware and code state that a number was made with."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"sslskel": __version__, "python": platform.python_version(), **versions, **hardware(), "device": device} | (
        code_version()
    )


def code_version() -> dict[str, Any]:
    """Commit of the checkout that runs, and whether it had uncommitted changes; empty for a wheel."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return {"commit": "", "dirty": False}
    try:
        commit = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=True
        )
        changed = subprocess.run(
            ["git", "-C", str(root), "status", "--porcelain"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return {"commit": "", "dirty": False}
    return {"commit": commit.stdout.strip(), "dirty": bool(changed.stdout.strip())}


def command_line() -> str:
    """The command that runs, as typed."""
    return os.environ.get(COMMAND) or shlex.join(["sslskel", *sys.argv[1:]])


def predictions_of(judged: Judged) -> dict[str, npt.NDArray[Any]]:
    """The arrays kept beside a record: one row per prediction, with the clip's true class; and confusion matrices."""
    outcome = judged.outcome
    columns = {"condition": outcome.condition, "draw": outcome.draw, "epoch": outcome.epoch}
    kept = {name: column for name, column in columns.items() if column is not None}
    values = {f"value_{name}": np.asarray(v) for name, v in outcome.values.items()}
    others = {f"kept_{name}": v for name, v in outcome.kept.items()}
    return {"keys": outcome.keys, "label": judged.labels, **kept, **values, **others, **judged.tables}


def details_of(judged: Judged) -> dict[str, Any]:
    """What the protocol says of its run beyond the fields of a record, and numbers for comparison only."""
    said = {name: value for name, value in judged.outcome.info.items() if name not in TOLD}
    return {**said, **judged.details}


def make_record(
    *,
    identity: str,
    meta: CheckpointMeta,
    encoders: Mapping[str, Encoder],
    protocol_name: str,
    protocol: EvaluationProtocol,
    benchmark: Benchmark,
    split: str,
    dataset: Dataset,
    seed: int,
    config: Mapping[str, Any],
    judged: Judged,
    cost: Mapping[str, float],
) -> Record:
    """Everything that is known of one cell. ``meta`` is what the encoder's checkpoint says of itself."""
    info = judged.outcome.info
    # Runs that start from other weights are other rows of a board.
    start = {"start": {"init": meta.init[:12]}} if meta.init else {}
    details = details_of(judged)
    return Record(
        schema=SCHEMA,
        identity=identity,
        pretrain_identity=meta.identity,
        method=meta.method.facts(),
        backbone={
            "name": meta.backbone.name if meta.backbone.used else "none",
            "version": meta.backbone.version,
            "parameters": parameter_count(encoders),
        },
        streams=tuple(encoders),
        protocol={
            "name": protocol_name,
            "version": PROTOCOLS.get(protocol_name).version,
            "recipe": str(info.get("recipe", "default")),
            "selection": str(info.get("selection", "last")),
        },
        benchmark={
            "name": benchmark.name,
            "version": benchmark.version,
            "split": split,
            "fingerprint": dataset.fingerprint,
            "warning": benchmark.split(split).warning,
        },
        preset=meta.preset,
        seed=seed,
        precision=str(config["engine"]["precision"]),
        config={**config, **start},
        primary=protocol.primary,
        scores=judged.scores,
        epoch=info.get("epoch"),
        counts=judged.counts,
        labels=int(info.get("labels", judged.counts["train"])),
        seen=judged_seen(meta.seen, benchmark, judged_on(protocol, dataset), split),
        weights_sha256=weights_digest(encoders),
        predictions=None,
        environment=environment(str(next(iter(encoders.values())).device)),
        cost={**cost, "evaluate_seconds": judged.seconds, "peak_memory_bytes": judged.peak_memory},
        command=command_line(),
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        diagnostics=judged.diagnostics,
        extra={"details": details} if details else {},
    )
