"""Pretraining in stages, as a method preset says it: one after another, each with weights of the one before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sslskel.config.interpolation import refuse_interpolations
from sslskel.errors import UsageError, did_you_mean
from sslskel.plugins.registry import METHODS

WEIGHTS, ENCODER = "weights", "encoder"
"""Parts that every method has: all of its weights, and the networks that protocols judge."""
GROUPS = {"config": "method", "backbone": "backbone", "clip": "clip", "train": "train"}
KEYS = ("method", "epochs", "from", *GROUPS)


@dataclass(frozen=True)
class Stage:
    """One pretraining of several."""

    method: str
    """A plugin, or a preset without stages."""
    layer: Mapping[str, Mapping[str, object]]
    """Options by group; they win over presets, and overrides win over them."""
    part: str
    """What it takes from the stage before; empty for the first."""


def stages_of(method: str) -> tuple[Stage, ...]:
    """The stages of a preset, first to last; none for a method that is one pretraining.

    Raises ``UsageError`` for a preset whose stages cannot be read.
    """
    content = METHODS.preset(method).get("stages")
    if content is None:
        return ()
    where = f"method preset '{method}'"
    refuse_interpolations(content, where)
    made: list[Stage] = []
    for number, item in enumerate(content, 1):
        unknown = [key for key in item if key not in KEYS]
        if unknown:
            raise UsageError(f"stage {number} of {where}: there is no '{unknown[0]}'{did_you_mean(unknown[0], KEYS)}")
        layer = {group: dict(item[key] or {}) for key, group in GROUPS.items() if key in item}
        if "epochs" in item:
            layer["train"] = {**layer.get("train", {}), "epochs": item["epochs"]}
        if not made and "from" in item:
            raise UsageError(f"stage 1 of {where} has none before it; leave `from` out, or start it with --init")
        part = str(item.get("from", "")) if made else ""
        if made and not part:
            same = METHODS.plugin_of(item["method"]) == METHODS.plugin_of(made[-1].method)
            part = WEIGHTS if same else ENCODER
        made.append(Stage(item["method"], layer, part))
    return tuple(made)


__all__ = ["ENCODER", "WEIGHTS", "Stage", "stages_of"]
