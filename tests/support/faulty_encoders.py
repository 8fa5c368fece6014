"""Methods whose encoders have a fault that a check of methods is there for."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from sound_method import Sound, scaled
from torch import Tensor

from sslskel.api.batch import Batch, StepOutput
from sslskel.api.encoder import Encoder, PooledEncoder
from sslskel.api.method import PretextMethod


class NoEncoders(Sound):
    def encoders(self) -> dict[str, Encoder]:
        return {}


class WrongDim(Sound):
    def encoders(self) -> dict[str, Encoder]:
        encoders = super().encoders()
        encoders["joint"].dim += 1
        return encoders


class Wrapped(Encoder):
    """An encoder that goes through a function of the method's features."""

    def __init__(self, method: PretextMethod, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.inner, self.change = PooledEncoder(method.backbone, method.clip), change
        self.spec, self.dim = method.clip, self.inner.dim

    def clip(self, batch: Batch) -> Tensor:
        return self.change(self.inner.clip(batch))


class Constant(Sound):
    def encoders(self) -> dict[str, Encoder]:
        return {"joint": Wrapped(self, torch.zeros_like)}


class RandomFeatures(Sound):
    def encoders(self) -> dict[str, Encoder]:
        return {"joint": Wrapped(self, lambda rows: rows + torch.randn_like(rows))}


class BatchFeatures(Sound):
    def encoders(self) -> dict[str, Encoder]:
        return {"joint": Wrapped(self, lambda rows: rows - rows.mean(0))}


class ModeChanger(Sound):
    def encoders(self) -> dict[str, Encoder]:
        encoders = super().encoders()
        encoders["joint"].eval()
        return encoders


class HiddenState(Sound):
    """Part of the loss depends on a number that no checkpoint holds."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.scale = 1.0

    def forward(self, *args: Any) -> StepOutput:
        return scaled(super().forward(*args), self.scale)

    def on_step_end(self, progress: Any, noise: Any) -> None:
        self.scale *= 0.9


class SecondCopy(Sound):
    def encoders(self) -> dict[str, Encoder]:
        return {"joint": PooledEncoder(copy.deepcopy(self.backbone), self.clip)}
