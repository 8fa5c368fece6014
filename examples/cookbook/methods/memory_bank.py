"""A memory bank with a row for every training clip: each clip is a class of its own.

After instance discrimination (Wu et al., CVPR 2018), with the full softmax of its equation 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from sslskel import (
    Batch,
    BuildBackbone,
    ClipSpec,
    Encoder,
    Noise,
    PooledEncoder,
    PretextMethod,
    Progress,
    StepOutput,
    gather_rows,
    mean_term,
    require,
)


@dataclass
class MemoryBankConfig:
    dim: int = 128
    temperature: float = 0.07
    momentum: float = 0.5
    """What of a row stays when its clip is seen again."""

    def __post_init__(self) -> None:
        require(self.dim >= 1, f"method.dim is {self.dim}; it must be at least 1")
        require(0 < self.temperature <= 10, f"method.temperature is {self.temperature}; it must be in (0, 10]")
        require(0 <= self.momentum < 1, f"method.momentum is {self.momentum}; it must be in [0, 1)")


class MemoryBank(PretextMethod[MemoryBankConfig]):
    Config = MemoryBankConfig
    cross_batch = True
    bank: Tensor  # (clips of the training set, dim)

    def __init__(self, config: MemoryBankConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.encoder = PooledEncoder(build_backbone(clip), clip, "present")
        self.head = nn.Linear(self.encoder.dim, config.dim)
        self.register_buffer("bank", normalize(torch.randn(clip.clips, config.dim), dim=1))

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        features = normalize(self.head(self.encoder(views[0], noise.view(0))), dim=1)  # (N, dim)
        self.new = views[0].position, features.detach()
        logits = features @ self.bank.to(features).T / self.config.temperature
        loss = cross_entropy(logits, views[0].position, reduction="none")
        return StepOutput({"instance": mean_term(loss)})

    def on_step_end(self, progress: Progress, noise: Noise) -> None:
        # Every process writes the rows of all of them, so that the banks stay equal.
        rows, features = gather_rows(self.new[0]), gather_rows(self.new[1]).to(self.bank)
        moved = self.config.momentum * self.bank[rows] + (1 - self.config.momentum) * features
        self.bank[rows] = normalize(moved, dim=1)

    def encoders(self) -> dict[str, Encoder]:
        return {"joint": self.encoder}
