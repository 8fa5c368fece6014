"""Recorded trainings taken again as a run takes them: composed configuration, built method, the engine's loop.

Only the views are recorded ones: released code was recorded behind its augmentations. That ours are the same is
shown in ``tests/methods/test_released_views.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import torch
from recorded import Recorded
from torch import Tensor

from sslskel.api.batch import Batch, StepOutput
from sslskel.api.dataset import DatasetInfo
from sslskel.api.method import PretextMethod, Progress
from sslskel.api.noise import Noise
from sslskel.api.skeleton import NTU25, SkeletonLayout
from sslskel.api.view import ViewSpec
from sslskel.config.compose import Resolved, compose
from sslskel.contrastive import MomentumContrast
from sslskel.encoders.open import build_method
from sslskel.engine.train import pretrain
from sslskel.plugins.registry import METHODS
from sslskel.transforms.clip import clip_spec

Draws = Callable[[int], Noise]
OnStep = Callable[[int, StepOutput], None]


class Made(NamedTuple):
    """A method as a run builds it, and the configuration that the run has."""

    method: PretextMethod
    resolved: Resolved


def made(name: str, *overrides: str, body: SkeletonLayout = NTU25, persons: int = 2, backbone: str = "") -> Made:
    """A built-in method with its recipe, its own backbone unless one is named, and some options changed."""
    backbone = backbone or METHODS.get(name).default_backbone
    resolved = compose(name, backbone=backbone, preset="released", overrides=overrides)
    spec = clip_spec(DatasetInfo("recorded", 1, body, (), fps=30.0, persons=persons), resolved.clip)
    return Made(build_method(name, resolved.method, backbone, resolved.backbone, spec, seed=0), resolved)


class RecordedClips:
    """A training set of one batch whose views are recorded: they come in the recorded order, whatever is asked."""

    def __init__(self, views: Sequence[Batch]) -> None:
        self._views, self._drawn = views, 0
        self.keys = torch.arange(views[0].num_clips)

    def __len__(self) -> int:
        return len(self.keys)

    def names(self, positions: Tensor | None = None) -> list[str]:
        """Names of clips."""
        return [f"clip {int(key)}" for key in (self.keys if positions is None else positions)]

    def batch(self, positions: Tensor, view: ViewSpec, noise: Noise, outer: Sequence[object] = ()) -> Batch:
        """The next view."""
        self._drawn += 1
        return self._views[(self._drawn - 1) % len(self._views)]


def train(
    run: Made,
    views: Sequence[Batch] | RecordedClips,
    folder: Path,
    on_step: OnStep,
    draws: Draws | None = None,
    steps: int = 0,
) -> None:
    """Train on recorded views, an epoch being a step.

    ``on_step`` is called behind every step with its number and output: gradients are still there, keys are in the
    queues. ``draws`` gives a step's recorded random numbers.
    """
    method, resolved = run
    if steps:
        resolved.train.epochs = steps
    outputs: list[StepOutput] = []
    forward, ended = method.forward, method.on_step_end

    def seen(views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        outputs.append(forward(views, noise if draws is None else draws(progress.step), progress))
        return outputs[-1]

    def behind(progress: Progress, noise: Noise) -> None:
        ended(progress, noise)
        on_step(progress.step, outputs[-1])

    method.forward, method.on_step_end = seen, behind  # type: ignore[method-assign]
    if not isinstance(views, RecordedClips):
        assert len(views) == len(method.views())
        views = RecordedClips(views)
    source: Any = views
    pretrain(method, source, resolved.train, resolved.engine, 0, folder, {"identity": "recorded"})
    assert len(outputs) == resolved.train.trained_epochs


def contrasts(method: PretextMethod) -> dict[str, MomentumContrast]:
    """All momentum contrasts of a method by stream or representation."""
    found: dict[str, MomentumContrast] = method.contrasts()  # type: ignore[operator]
    return found


class Spied(list[tuple[tuple[Any, ...], Any]]):
    """Calls of a function since they were last taken: arguments and result of each."""

    def taken(self) -> list[tuple[tuple[Any, ...], Any]]:
        """All of them, which are forgotten."""
        calls = list(self)
        self.clear()
        return calls

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, noting its calls."""

        def noted(*arguments: Any, **options: Any) -> Any:
            result = function(*arguments, **options)
            self.append((arguments, result))
            return result

        return noted


def spied(monkeypatch: pytest.MonkeyPatch, owner: ModuleType | object, name: str) -> Spied:
    """Note all calls of a function that a module or an object calls by its name."""
    calls = Spied()
    monkeypatch.setattr(owner, name, calls.around(getattr(owner, name)))
    return calls


def options(case: Recorded, **more: object) -> list[str]:
    """Overrides for the sizes and rates that most recordings have, and others by name: ``method__dim=8``."""
    config = case.config
    values: dict[str, object] = {
        "engine.device": "cpu",
        "method.queue": config["K"],
        "method.dim": config.get("dim", config.get("feature_dim")),
        "method.momentum": config.get("m", 0.999),
        "train.batch_size": config["N"],
        "train.lr": config.get("lr", 0.01),
        "train.epochs": config.get("steps", 1),
    }
    values |= {name.replace("__", "."): value for name, value in more.items()}
    return [f"{name}={value}" for name, value in values.items()]


def recurrent(case: Recorded) -> dict[str, object]:
    """Options of the recorded GRU."""
    config = case.config
    return {"backbone__hidden": config["hidden"], "backbone__layers": config["layers"], "clip__frames": config["T"]}


def graph(case: Recorded) -> dict[str, object]:
    """Options of the recorded ST-GCN, recorded without dropout."""
    config = case.config
    sizes = {"backbone__width": config["hidden_channels"], "backbone__dim": config["hidden_dim"]}
    return {**sizes, "backbone__dropout": 0.0, "clip__frames": config["T"]}
