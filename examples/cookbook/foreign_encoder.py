"""A foreign encoder: any torch module from clips to features can be judged; boards say that its owner declares it.

In this folder: ``sslskel evaluate --encoder foreign_encoder:build --seen none --benchmark synthetic --protocol knn``.
The network is ROCKET (Dempster et al., DMKD 2020): random convolutions over time that are not trained, and of each the
share of positive values and the largest one. Here a kernel reads the coordinates of one joint.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, one_hot

JOINTS = 25
DILATIONS = (1, 2, 4)


class Rocket(nn.Module):
    weight: Tensor
    bias: Tensor

    def __init__(self, kernels: int = 500, length: int = 9) -> None:
        super().__init__()
        drawn = torch.Generator().manual_seed(0)
        weight = torch.randn(kernels, 3 * JOINTS, length, generator=drawn)
        joint = one_hot(torch.randint(JOINTS, (kernels,), generator=drawn), JOINTS).repeat_interleave(3, 1)
        self.register_buffer("weight", (weight - weight.mean(2, keepdim=True)) * joint[..., None])
        self.register_buffer("bias", torch.rand(kernels, generator=drawn) * 2 - 1)

    def forward(self, clips: Tensor) -> Tensor:
        """(N, C, T, V, M) with zeros for missing persons -> (N, D), the mean over the persons present."""
        rows = clips.permute(0, 4, 3, 1, 2).flatten(2, 3)  # (N, M, V*C, T)
        present = rows.flatten(2).any(2, keepdim=True).to(rows)  # (N, M, 1)
        features = []
        for dilation in DILATIONS:
            padding = dilation * (self.weight.shape[2] // 2)
            signal = conv1d(rows.flatten(0, 1), self.weight, self.bias, padding=padding, dilation=dilation)
            features += [(signal > 0).to(signal).mean(2), signal.amax(2)]
        every = torch.cat(features, 1).reshape(*rows.shape[:2], -1)  # (N, M, D)
        mean: Tensor = (every * present).sum(1) / present.sum(1).clamp(min=1)
        return mean


def build() -> nn.Module:
    """What ``--encoder`` calls; a trained network loads its weights here: ``torch.load(path, weights_only=True)``."""
    return Rocket()
