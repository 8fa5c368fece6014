"""Learned vectors that tell an encoder which view or task it works on (PCM3, section 3.4).

Where they are added is the method's business.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslskel.noise import Noise


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
        """(D,) with the prompt at a random offset. Noise site: the given one (0..D/2 - length - 1)."""
        offset = noise.integers(site, self.side - self.length, per="batch")
        at = offset + torch.arange(self.length, device=offset.device)
        return self.values.new_zeros(2 * self.side).index_put((torch.cat([at, self.side + at]),), self.values)
