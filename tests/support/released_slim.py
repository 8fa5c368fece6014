"""Places of the recorded arrays of SLiM in ours, and its recorded runs as ours."""

from __future__ import annotations

from typing import Any

import torch
from recorded import Recorded
from replays import Made, made
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.nn.self_distillation import HiddenView

PLACES = (
    ("dino_head.", "head."),
    ("ibot_head.", "token_head."),
    ("last_layer.weight_g", "gain"),
    ("last_layer.weight_v", "prototypes"),
    ("cls_token", "cls"),
    ("pos_embed", "table"),
    ("register_tokens", "registers"),
    ("backbone.mask_token", "filler"),
    ("patch_embed.proj.", "embed."),
)
"""Parts of released names, and ours."""


def in_slim(name: str) -> str:
    """Our name, within the student or the teacher, of a released array."""
    for theirs, ours in PLACES:
        name = name.replace(theirs, ours)
    return name


def in_our_shape(name: str, value: Tensor) -> Tensor:
    """A released array under this name of ours: frames before coordinates, tables without empty axes."""
    if name.endswith("embed.weight"):
        return value.squeeze(-1).transpose(1, 2).flatten(1)
    return value[0] if value.ndim == 3 else value


def group(case: Recorded, prefix: str, place: str) -> dict[str, Tensor]:
    """Recorded arrays whose names begin so, in our shape and below this part of our method."""
    named = {in_slim(name): value for name, value in case.group(prefix).items()}
    return {place + name: in_our_shape(name, value) for name, value in named.items()}


def recorded_run(case: Recorded, *more: str) -> tuple[Made, list[Batch]]:
    """The method with the recorded sizes and start, which sees the recorded views, and batches for as many views."""
    config = case.config
    (rate, next_rate), (decay, next_decay) = config["lr"][:2], config["wd"][:2]
    options = {
        "engine.device": "cpu",
        "backbone.dim": config["dim"],
        "backbone.depth": config["depth"],
        "backbone.heads": config["heads"],
        "backbone.segment": config["patch"][0],
        "backbone.registers": config["registers"],
        "method.hidden": config["hidden"],
        "method.bottleneck": config["bottleneck"],
        "method.prototypes": config["proto"],
        "method.token_prototypes": config["ibot_prototypes"],
        "method.centring": {"sinkhorn_knopp": "balanced", "centering": "mean"}[config["centering"]],
        "method.teacher_temperature": config["temp"],
        "method.first_temperature": config["temp"],
        "method.momentum": config["mom"],
        "method.last_momentum": config["mom"],
        "method.token_weight": config["weights"]["ibot"],
        "method.spread_weight": config["weights"]["koleo"],
        "method.frozen_epochs": config["last_layer_lr"].count(0.0),
        "method.clip_norm": config["clip"],
        "train.batch_size": config["B"],
        "train.epochs": config["steps"],
        "train.warmup_epochs": 0,
        "train.schedule": "linear",
        "train.lr": rate,
        "train.min_lr": rate + config["steps"] * (next_rate - rate),
        "train.weight_decay": decay,
        "train.weight_decay_course": "linear",
        "train.weight_decay_end": decay + config["steps"] * (next_decay - decay),
    }
    run = made("slim", *(f"{name}={value}" for name, value in options.items()), *more)
    start = group(case, "student/", "student.") | group(case, "teacher/", "teacher.network.")
    missing, unexpected = run.method.load_state_dict(start, strict=False)
    assert not unexpected
    assert sorted(missing) == ["centre.mean", "token_centre.mean"]
    method: Any = run.method
    method.seen = lambda views, noise: recorded_views(case)
    clips = Batch.from_dense(torch.ones(config["B"], 3, 1, 25, 2))
    return run, [clips] * len(method.views())


def recorded_views(case: Recorded) -> list[Any]:
    """Two whole views and eight local ones, the longer ones first."""
    seen = []
    for views, masks in (
        ("in/global", "in/masks"),
        *((f"in/local_crops_{frames}", f"in/local_masks_{frames}") for frames in (32, 16, 8)),
    ):
        tracks, hidden = case.tensor(views)[..., 0].permute(0, 2, 3, 1), case.tensor(masks)
        seen += [HiddenView(*both) for both in zip(*(x.split(case.config["B"]) for x in (tracks, hidden)), strict=True)]
    return seen
