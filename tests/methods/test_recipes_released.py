"""Optimisers as runs build them: every weight of a method, with the rates and decays of the released scripts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from replays import made, spied

import sslskel.engine.turns
from sslskel.engine.schedule import learning_rate
from sslskel.engine.turns import Turns

SGD = {"momentum": 0.9, "nesterov": False, "dampening": 0, "weight_decay": 1e-4}
ADAM = {"betas": (0.9, 0.999), "weight_decay": 1e-5}
PLAIN_ADAM = {"betas": (0.9, 0.999), "weight_decay": 0.0}
ADAMW = {"betas": (0.9, 0.95), "weight_decay": 0.05}
SMALL = ("clip.frames=24", "engine.device=cpu")
RECIPES: dict[str, tuple[type[torch.optim.Optimizer], dict[str, Any], dict[str, Any]]] = {
    "skeletonclr": (torch.optim.SGD, SGD, {"epochs": 300, "batch_size": 128, "lr": 0.1, "milestones": [250]}),
    "crossclr": (torch.optim.SGD, SGD, {"epochs": 300, "batch_size": 128, "lr": 0.1, "milestones": [250]}),
    "aimclr": (torch.optim.SGD, SGD, {"epochs": 300, "batch_size": 128, "lr": 0.1, "milestones": [250]}),
    "isc": (torch.optim.SGD, SGD, {"epochs": 451, "batch_size": 64, "lr": 0.01, "milestones": [351]}),
    "cmd": (torch.optim.SGD, SGD, {"epochs": 451, "batch_size": 64, "lr": 0.01, "milestones": [351]}),
    "pcm3": (torch.optim.SGD, SGD, {"epochs": 451, "batch_size": 128, "lr": 0.02, "milestones": [351]}),
    "ascal": (torch.optim.SGD, SGD, {"epochs": 60, "batch_size": 32, "lr": 0.01, "milestones": [30]}),
    "ms2l": (torch.optim.Adam, PLAIN_ADAM, {"epochs": 60, "batch_size": 256, "lr": 1e-3, "milestones": [30]}),
    "pstl": (torch.optim.Adam, ADAM, {"epochs": 150, "batch_size": 128, "lr": 5e-3, "warmup_epochs": 10}),
    "mamp": (torch.optim.AdamW, ADAMW, {"epochs": 400, "batch_size": 128, "lr": 1e-3, "warmup_epochs": 20}),
    "skeletonmae": (torch.optim.AdamW, ADAMW, {"epochs": 400, "batch_size": 128, "lr": 1e-3, "warmup_epochs": 20}),
}
"""Optimiser, its options, and those of training."""
CLIPS = {
    "skeletonclr": (50, 1.0, 1, 1.0, 0.0),
    "crossclr": (50, 1.0, 1, 1.0, 0.0),
    "aimclr": (50, 1.0, 1, 1.0, 0.0),
    "pstl": (50, 1.0, 1, 1.0, 0.0),
    "ascal": (150, 0.5, 64, 0.95, 0.0),
    "ms2l": (300, 0.5, 64, 0.95, 0.0),
    "isc": (64, 0.1, 64, 0.95, 0.0),
    "cmd": (64, 0.1, 64, 0.95, 0.0),
    "pcm3": (64, 0.1, 64, 0.95, 0.0),
    "mamp": (120, 0.5, 64, 0.95, 0.3),
    "skeletonmae": (120, 0.5, 64, 0.95, 0.3),
}
"""Frames, share and raw frames of the shortest training crop, share of the test crop, rotation in radians."""
SIZES = {
    "ascal": ("backbone.hidden=4",),
    "ms2l": ("backbone.hidden=4", "method.width=4", "method.dim=4"),
    "isc": ("backbone.hidden=4", "method.graph_width=2"),
    "cmd": ("backbone.hidden=4",),
    "pcm3": ("backbone.hidden=4", "clip.frames=64"),
    "mamp": ("backbone.dim=16", "method.decoder_dim=16"),
    "skeletonmae": ("backbone.dim=16", "method.decoder_dim=16"),
}


@pytest.mark.parametrize("name", RECIPES)
def test_options_of_training_and_clips(name: str) -> None:
    resolved, (_, _, wanted) = made(name).resolved, RECIPES[name]
    assert {option: getattr(resolved.train, option) for option in wanted} == wanted
    clip = resolved.clip
    assert (clip.frames, clip.crop_min, clip.min_frames, clip.test_crop, clip.rotation) == CLIPS[name]
    assert clip.crop_max == 1.0


@pytest.mark.parametrize("name", RECIPES)
def test_every_weight_has_the_released_decay(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method, resolved = made(name, *SMALL, *SIZES.get(name, ("backbone.width=2", "backbone.dim=4")))
    kind, options, _ = RECIPES[name]
    built = spied(monkeypatch, sslskel.engine.turns, "build_optimiser")
    Turns(method, resolved.train, resolved.engine.precision, torch.device("cpu"))
    [(_, optimiser)] = built
    assert isinstance(optimiser, kind)
    decays = {}
    for group in optimiser.param_groups:
        assert {option: group[option] for option in options if option != "weight_decay"} == {
            option: value for option, value in options.items() if option != "weight_decay"
        }
        decays |= {id(parameter): group["weight_decay"] for parameter in group["params"]}
    # The released masked modelling spares biases and gains.
    spared = kind is torch.optim.AdamW
    for parameter_name, parameter in method.named_parameters():
        wanted = 0.0 if spared and parameter.ndim <= 1 else options["weight_decay"]
        assert decays.pop(id(parameter), None) == (wanted if parameter.requires_grad else None), parameter_name
    assert not decays


@pytest.mark.parametrize("name", RECIPES)
def test_the_rate_over_epochs(name: str) -> None:
    train = made(name).resolved.train
    if train.milestones:
        [milestone] = train.milestones
        rates = [learning_rate(train, epoch) for epoch in (0, milestone - 0.01, milestone, train.epochs)]
        assert rates == pytest.approx([train.lr, train.lr, train.lr / 10, train.lr / 10])
    else:
        end = 0.0 if name == "pstl" else 5e-4
        half = (train.warmup_epochs + train.epochs) / 2
        rates = [learning_rate(train, epoch) for epoch in (0, train.warmup_epochs, half, train.epochs)]
        assert rates == pytest.approx([0, train.lr, (train.lr + end) / 2, end])
