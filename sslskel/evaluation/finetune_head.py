"""The head of the released MAMP fine-tuning: token features in, logits out.

Encoders, clips and optimisers are not known here.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel.api.noise import Noise
from sslskel.errors import UsageError


class FineTuneHead(nn.Module):
    """Dropout on tokens, mean over time, joints side by side, mean over persons, then two layers.

    Between the layers are BatchNorm and ReLU. Weights start Xavier-uniform and biases at 0,
    from ``noise`` alone; names are those of the released head. ``joints`` is V' and ``dim``
    D of the tokens.
    """

    def __init__(
        self,
        joints: int,
        dim: int,
        hidden: int,
        num_classes: int,
        dropout: float,
        noise: Noise,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.fc1 = _linear("head fc1", joints * dim, hidden, noise, dtype)
        self.bn = nn.BatchNorm1d(hidden, dtype=dtype)
        self.fc2 = _linear("head fc2", hidden, num_classes, noise, dtype)

    def forward(self, tokens: Tensor, noise: Noise | None = None) -> Tensor:
        """(N, M, T', V', D) -> (N, num_classes).

        ``noise``, bound to the batch, is what training passes with dropout draw from; without
        one they raise ``UsageError``.
        """
        if self.training and self.dropout > 0:
            if noise is None:
                raise UsageError("the head drops tokens in training and needs keyed noise bound to the batch")
            draw = noise.uniform("head dropout", tuple(tokens.shape[1:]), per="clip")
            tokens = tokens * ((draw >= self.dropout).to(tokens.dtype) / (1 - self.dropout))
        pooled = tokens.mean(2).flatten(2).mean(1)
        logits: Tensor = self.fc2(functional.relu(self.bn(self.fc1(pooled))))
        return logits


def _linear(site: str, inputs: int, outputs: int, noise: Noise, dtype: torch.dtype) -> nn.Linear:
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs, dtype=dtype)  # type: ignore[no-untyped-call]
    bound = math.sqrt(6 / (inputs + outputs))
    with torch.no_grad():
        layer.weight.copy_((2 * noise.uniform(site, (outputs, inputs), "batch", dtype) - 1) * bound)
        layer.bias.zero_()
    return layer
