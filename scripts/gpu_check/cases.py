"""Methods at the size of checks, on any device, and how far two results are apart."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.method import PretextMethod
from sslskel.api.noise import Noise
from sslskel.checks.fixtures import dataset_info, make_dataset, small_config
from sslskel.checks.method_case import MethodCase, start_epoch
from sslskel.config.groups import EngineConfig, Optimiser, Precision, TrainConfig
from sslskel.config.stages import stages_of
from sslskel.data.loader import ClipSource
from sslskel.data.step_views import step_views
from sslskel.engine.device import dtype_of
from sslskel.engine.train import TrainResult, pretrain
from sslskel.plugins.registry import BACKBONES, METHODS

CLIPS = 12
INFO = dataset_info()
FAINT = 1e-2
"""Values below it count as this large: biases before a batch norm hold rounding alone."""
FEW = ("mamp", "skeletonclr")
"""Methods of the small form."""
TRAIN = TrainConfig(
    epochs=2, batch_size=4, optimiser=Optimiser.sgd, lr=0.01, min_lr=0.0, warmup_epochs=0, clip_norm=1.0
)


def methods(small: bool) -> list[str]:
    """Names of those that train, without earlier stages."""
    every = sorted(name for name in METHODS.names() if METHODS.get(name).trains and not stages_of(name))
    return [name for name in every if not small or name in FEW]


def case_of(name: str) -> MethodCase:
    """A method with its own backbone, both with small layers."""
    plugin = METHODS.get(name)
    return MethodCase(plugin, small_config(plugin.Config), BACKBONES.get(plugin.default_backbone), info=INFO)


def engine_of(device: torch.device, precision: Precision, *, deterministic: bool = False) -> EngineConfig:
    """One thread, since two devices are compared and not two numbers of threads."""
    return EngineConfig(device=str(device), precision=precision, threads=1, log_every=1, deterministic=deterministic)


def source_of(case: MethodCase, device: torch.device, dtype: torch.dtype) -> ClipSource:
    """Twelve clips."""
    spec = dataclasses.replace(case.spec, clips=CLIPS)
    return ClipSource(make_dataset(INFO, CLIPS), np.arange(CLIPS), spec, device, dtype, labels=False)


def built(case: MethodCase, device: torch.device, dtype: torch.dtype) -> PretextMethod:
    """A method that is at its first step."""
    method = case.build(clips=CLIPS, started=False).to(device=device, dtype=dtype)
    with torch.no_grad():
        method.load_start()
    begin_epoch(method, source_of(case, device, dtype))
    return method


def begin_epoch(method: PretextMethod, source: ClipSource) -> None:
    """What the engine does before an epoch, where the method asks for it."""
    method.eval()
    if type(method).on_epoch_start is not PretextMethod.on_epoch_start:
        start_epoch(method, source)
    method.train()


def views_of(
    case: MethodCase, method: PretextMethod, device: torch.device, dtype: torch.dtype
) -> tuple[list[Batch], Noise]:
    """The views of a step, and its noise."""
    source, rows = source_of(case, device, dtype), torch.arange(CLIPS)
    noise = Noise(7, 0, device).over(source.keys)
    return list(step_views(source, rows, method.views(), noise)), noise


def trained(
    name: str, device: torch.device, precision: Precision, folder: Path, *, deterministic: bool = False
) -> tuple[dict[str, Tensor], TrainResult]:
    """Weights and buffers after all steps of two epochs, on the host, and what training gave."""
    case, engine = case_of(name), engine_of(device, precision, deterministic=deterministic)
    method = case.build(clips=CLIPS, started=False).to(device=device, dtype=dtype_of(engine))
    train = dataclasses.replace(TRAIN, checkpoint_epochs=1, keep_checkpoints=9)
    result = pretrain(method, source_of(case, device, dtype_of(engine)), train, engine, 0, folder, {})
    return {key: value.detach().cpu().clone() for key, value in method.state_dict().items()}, result


def apart(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> tuple[float, str]:
    """The largest distance of tensors of the same names, as a share of the largest value, and of which.

    One that is not a number is the largest.
    """
    far = {}
    for name, value in theirs.items():
        if value.numel() and ours[name].shape == value.shape:
            own, known = ours[name].double(), value.double()
            distance = float((own - known).abs().max() / known.abs().max().clamp(min=FAINT))
            far[name] = math.inf if math.isnan(distance) else distance
        elif value.numel():
            far[name] = math.inf
    worst = max(far, key=lambda name: far[name])
    return far[worst], worst
