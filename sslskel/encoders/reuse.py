"""What a finished encoder brings to a new evaluation: the configuration it was made with, and kept features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from sslskel.api.dataset import Dataset
from sslskel.config.compose import Resolved, compose, from_plain
from sslskel.config.groups import ClipConfig, EngineConfig, TrainConfig
from sslskel.encoders.meta import CheckpointMeta, Construction
from sslskel.encoders.open import OpenedEncoders
from sslskel.engine.device import resolve_device
from sslskel.errors import UsageError
from sslskel.plugins.registry import BACKBONES, METHODS
from sslskel.plugins.source import digest_of
from sslskel.results.feature_cache import FeatureCache
from sslskel.version import __version__


def resolved_for(meta: CheckpointMeta, protocol: str, benchmark: str, overrides: Sequence[str]) -> Resolved:
    """The configuration an encoder was made with, with a protocol, as its preset has it on the benchmark that is
    judged on, and overrides of ``protocol`` and ``engine``.
    """
    wrong = [o for o in overrides if not o.startswith(("protocol.", "engine."))]
    if wrong:
        raise UsageError(
            f"{wrong[0]}: a trained encoder's own options are fixed; only protocol.* and engine.* can be set"
        )
    known = METHODS.names()
    fresh = compose(
        next((name for name in (meta.method.name, meta.method.plugin) if name in known), untrained_method()),
        backbone=meta.backbone.name,
        preset=meta.preset,
        protocol=protocol,
        overrides=overrides,
        benchmarks=(meta.benchmark.name, benchmark),
    )
    if meta.construction is None:
        return fresh
    kept = any(override.startswith("engine.precision") for override in overrides)
    return _as_made(fresh, meta.construction, keep_precision=kept)


def untrained_method() -> str:
    """The built-in method that is a backbone and nothing else, for an encoder whose method is not known here."""
    return next(name for name, plugin in METHODS.built_in() if plugin.bare_backbone)


def _as_made(fresh: Resolved, made: Construction, *, keep_precision: bool) -> Resolved:
    engine = fresh.engine
    if not keep_precision:
        engine = from_plain(EngineConfig, {**fresh.plain()["engine"], "precision": made.precision}, "engine")
    return replace(
        fresh,
        method=from_plain(type(fresh.method), made.method, "method"),
        backbone=from_plain(type(fresh.backbone), made.backbone, "backbone"),
        clip=from_plain(ClipConfig, made.clip, "clip"),
        train=from_plain(TrainConfig, made.train, "train"),
        engine=engine,
    )


def _sources(meta: CheckpointMeta) -> list[str]:
    """Digests of the code that encodes, which is that of now."""
    if meta.construction is None:
        return []
    return [digest_of(METHODS, meta.method.plugin), digest_of(BACKBONES, meta.backbone.name)]


def features_of(output: Path, opened: OpenedEncoders, dataset: Dataset, engine: EngineConfig) -> FeatureCache:
    """The cache of what these encoders say of this dataset, in a folder that is called as their pretraining."""
    context = {
        "encoder": opened.meta.identity,
        "weights": opened.weights_sha256,
        "data": dataset.fingerprint,
        "precision": engine.precision.value,
        "device": resolve_device(engine.device).type,
        "versions": [__version__, torch.__version__],
        "sources": _sources(opened.meta),
    }
    return FeatureCache(output / "features" / opened.meta.identity, context, keep=engine.cache_features)
