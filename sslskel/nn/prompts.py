"""Learned vectors that mark for an encoder which view or task it works on (PCM3, section 3.4).

Which view or task gets which, the method itself decides.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sslskel.api.backbone import SequenceBackbone
from sslskel.api.noise import Noise


def input_prompt(numbers: int) -> nn.Parameter:
    """(numbers,) to be added to every frame of an input; starts as released (Xavier, uniform)."""
    return nn.Parameter(nn.init.xavier_uniform_(torch.empty(1, numbers))[0])


class FeaturePrompt(nn.Module):
    """Numbers added to each half of a feature from a random place on, the same for the whole batch.

    ``share`` of a feature's D numbers, half of them in either half: one direction each of a
    recurrent net.
    """

    def __init__(self, share: float, dim: int) -> None:
        super().__init__()
        self.side = dim // 2
        self.length = max(1, round(share * self.side))
        self.values = input_prompt(2 * self.length)

    def placed(self, noise: Noise, site: str) -> Tensor:
        """(D,) with the prompt at a random offset. Noise site: ``site`` (0..D/2 - length - 1)."""
        offset = noise.integers(site, self.side - self.length, per="batch")
        at = offset + torch.arange(self.length, device=offset.device)
        return self.values.new_zeros(2 * self.side).index_put((torch.cat([at, self.side + at]),), self.values)


class Prompts(nn.Module):
    """One prompt for each kind of input, of ``numbers`` a frame, and one for each task, on features of ``dim``.

    What has no prompt stays as it is. ``late`` lets prompts of an input join behind the
    backbone's norm; in front of it, as released, the norm's mean takes them away in training.
    """

    def __init__(
        self, inputs: Sequence[str], tasks: Sequence[str], numbers: int, dim: int, share: float, *, late: bool
    ) -> None:
        super().__init__()
        self.inputs = nn.ParameterDict({name: input_prompt(numbers) for name in inputs})
        self.tasks = nn.ModuleDict({name: FeaturePrompt(share, dim) for name in tasks})
        self.late = late

    def encode(self, backbone: nn.Module, sequence: Tensor, kind: str) -> Tensor:
        """(N, T, V*C*M) with the prompt of this kind of input -> features (N, T, 1, D) of a ``SequenceBackbone``."""
        assert isinstance(backbone, SequenceBackbone)
        added = self.inputs.get(kind)
        if added is None or self.late:
            return backbone.encode(sequence, added)
        return backbone.encode(sequence + added)

    def of(self, task: str, noise: Noise, site: str) -> Tensor | None:
        """The task's prompt (D,) at a random offset; None without one. Noise site: ``prompt.{site}``."""
        if task not in self.tasks:
            return None
        prompt = self.tasks[task]
        assert isinstance(prompt, FeaturePrompt)
        return prompt.placed(noise, f"prompt.{site}")

    def added(self, features: Tensor, task: str, noise: Noise, site: str) -> Tensor:
        """Features (N, D) with the task's prompt."""
        prompt = self.of(task, noise, site)
        return features if prompt is None else features + prompt
