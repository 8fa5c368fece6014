"""Methods written after a description alone, small, with their views of a few clips."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from sslskel.api.batch import Batch, StepOutput
from sslskel.api.method import PretextMethod
from sslskel.api.noise import Noise
from sslskel.checks.fixtures import small_config
from sslskel.checks.method_case import MethodCase, forward
from sslskel.plugins.registry import BACKBONES, METHODS


class Small(NamedTuple):
    """A method in training mode, its views of some clips, and the noise of a step."""

    method: PretextMethod
    views: list[Batch]
    noise: Noise

    def output(self, step: int = 0) -> StepOutput:
        """Of a step, momentum updates included; epochs have one step."""
        return forward(self.method, self.views, self.noise, step)

    def term(self, name: str, step: int = 0) -> Tensor:
        """The value of one term of the loss."""
        total, count, scale = self.output(step).terms[name]
        return scale * total / count


def small(
    name: str, *, backbone: str = "", clips: int = 6, dtype: torch.dtype = torch.float32, **options: Any
) -> Small:
    """A method with these options on small networks; on its own backbone where none is named."""
    plugin = METHODS.get(name)
    config = small_config(plugin.Config, plugin.Config(**options), **options)
    case = MethodCase(plugin, config, BACKBONES.get(backbone or plugin.default_backbone))
    method = case.build(clips=clips).to(dtype)
    return Small(method, *case.views(method, clips=clips, dtype=dtype))
