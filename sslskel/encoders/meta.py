"""What is known of an encoder that is given as a checkpoint: how it was made, as far as it says.

And where features are kept that depend on all of that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from sslskel import __version__
from sslskel.api.dataset import Dataset
from sslskel.config.compose import Resolved, compose, from_plain
from sslskel.config.groups import EngineConfig
from sslskel.encoders.open import OpenedEncoders, weights_digest
from sslskel.engine.device import resolve_device
from sslskel.errors import UsageError
from sslskel.grid.cell import digest
from sslskel.plugins.registry import METHODS
from sslskel.results.feature_cache import FeatureCache


def resolved_for(meta: Any, protocol: str, overrides: Sequence[str]) -> Resolved:
    """The configuration an encoder was made with, with a protocol and overrides of ``protocol`` and ``engine``."""
    wrong = [o for o in overrides if not o.startswith(("protocol.", "engine."))]
    if wrong:
        raise UsageError(
            f"{wrong[0]}: a trained encoder's own options are fixed; only protocol.* and engine.* can be set"
        )
    fresh = compose(
        meta["method"]["name"] if meta["method"]["name"] in METHODS.names() else "random_init",
        backbone=meta["backbone"]["name"],
        preset=meta["preset"],
        protocol=protocol,
        overrides=overrides,
    )
    made = {
        group: from_plain(type(getattr(fresh, group)), plain, group)
        for group, plain in {
            "clip": meta.get("clip"),
            "train": meta.get("train"),
            "method": meta["method"].get("config"),
            "backbone": meta["backbone"].get("config"),
        }.items()
        if plain is not None
    }
    fresh = Resolved(**{**vars(fresh), **made})
    if "precision" in meta and not any(o.startswith("engine.precision") for o in overrides):
        engine = {**fresh.plain()["engine"], "precision": meta["precision"]}
        fresh = Resolved(**{**vars(fresh), "engine": from_plain(EngineConfig, engine, "engine")})
    return fresh


def released_meta(opened: OpenedEncoders, num_heads: int) -> dict[str, Any]:
    """What can be said of a released file: its name, content and heads, and nothing it does not tell."""
    content = hashlib.sha256(opened.path.read_bytes()).hexdigest()
    return {
        "identity": digest({"released": content, "heads": num_heads}),
        "method": {"name": opened.path.stem, "plugin": "released", "version": 0, "origin": opened.path.name},
        "backbone": {"name": "transformer", "version": 1},
        "benchmark": {"name": "", "split": None},
        "preset": "released",
        "seed": 0,
        "seen": [],
    }


def features_of(
    output: Path, opened: OpenedEncoders, meta: Any, dataset: Dataset, engine: EngineConfig
) -> FeatureCache:
    """The cache of what these encoders say of this dataset, in a folder that is called as their pretraining."""
    context = {
        "encoder": meta["identity"],
        "weights": weights_digest(opened.encoders),
        "data": dataset.fingerprint,
        "precision": engine.precision.value,
        "device": resolve_device(engine.device).type,
        "versions": [__version__, torch.__version__],
    }
    return FeatureCache(output / "features" / str(meta["identity"]), context, keep=engine.cache_features)
