"""Places of the recorded arrays of STARS in ours, and its recorded runs as ours."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from recorded import Recorded
from replays import Made, made
from torch import Tensor

from sslskel.api.batch import Batch, StepOutput
from sslskel.api.method import Progress
from sslskel.api.noise import Noise, ReplayNoise
from sslskel.api.skeleton import NTU25

PLACES = (
    ("encoder_student.head.projector.0.", "head.project."),
    ("encoder_student.head.predictor.", "head.predict."),
    ("encoder_student.temp_embed", "encoder.backbone.time_table"),
    ("encoder_student.pos_embed", "encoder.backbone.joint_table"),
    ("encoder_student.joints_embed.proj.", "encoder.backbone.embed."),
    ("encoder_student.", "encoder.backbone."),
    ("queue_ptr", "queue.place"),
    ("queue_id", "owners"),
    ("queue", "queue.entries"),
)
"""Beginnings of released names, and ours."""


def in_stars(name: str) -> str:
    """Our name of a released array."""
    for theirs, ours in PLACES:
        if name.startswith(theirs):
            return ours + name[len(theirs) :]
    raise KeyError(name)


def in_our_shape(name: str, value: Tensor) -> Tensor:
    """A released array under this name of ours: frames before coordinates, tables without empty axes, a row a key."""
    if name.endswith("embed.weight"):
        return value.squeeze(-1).transpose(1, 2).flatten(1)
    if name.endswith("_table"):
        return value.reshape(-1, value.shape[-1])
    if name == "queue.entries":
        return value.T
    return value.reshape(()) if name == "queue.place" else value


def group(case: Recorded, prefix: str) -> dict[str, Tensor]:
    """Recorded arrays whose names begin so, under our names and in our shape."""
    named = {in_stars(name): value for name, value in case.group(prefix).items()}
    return {name: in_our_shape(name, value) for name, value in named.items()}


def recorded_run(case: Recorded, *more: str) -> tuple[Made, Batch]:
    """The method with the recorded sizes and start, which takes clips for the recorded ones, and those."""
    config = case.config
    options = {
        "engine.device": "cpu",
        "clip.frames": config["T"],
        "backbone.dim": config["dim"],
        "backbone.depth": config["depth"],
        "backbone.heads": config["heads"],
        "method.trained": "upper" if config["third"] else "head",
        "method.hidden": config["hidden"],
        "method.queue": config["K"],
        "method.temperature": config["Temp"],
        "method.neighbours": max(config["topk"], 1),
        "method.layer_decay": config["layer_decay"],
        "method.tensor_norm": config["clip_grad"],
        "train.lr": config["lr"],
        "train.batch_size": config["N"],
        "train.epochs": config["steps"],
    }
    run = made("stars_tuning", *(f"{name}={value}" for name, value in options.items()), *more, body=NTU25)
    run.method.load_state_dict(group(case, "state/"))
    forward, owners = run.method.forward, case.tensor("in/ids")

    def of_recorded(views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        return forward([view._replace(position=owners[progress.step]) for view in views], noise, progress)

    run.method.forward = of_recorded  # type: ignore[method-assign]
    return run, Batch.from_dense(case.tensor("in/x"))


def draws(case: Recorded, step: int) -> ReplayNoise:
    """Which of the nearest entries each clip of a step took, for both views."""
    name = f"draws/dice/step{step}"
    clips = case.config["N"]
    place = case.tensor(name).T if name in case else torch.zeros(clips, 2, dtype=torch.int64)
    return ReplayNoise({"neighbour": place})
