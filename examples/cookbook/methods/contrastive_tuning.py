"""The second of two stages: the upper half of a pretrained encoder learns to tell clips apart, the lower one stays.

After MAE-CT (Lehner et al., AAAI 2024). The first stage is any method; configs/method/two_stages.yaml joins them.
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
    ViewSpec,
    gather_rows,
    mean_term,
    own_rows,
    require,
    shifted_view,
)


@dataclass
class ContrastiveTuningConfig:
    temperature: float = 0.1

    def __post_init__(self) -> None:
        require(0 < self.temperature <= 10, f"method.temperature is {self.temperature}; it must be in (0, 10]")


class ContrastiveTuning(PretextMethod[ContrastiveTuningConfig]):
    Config = ContrastiveTuningConfig
    cross_batch = negatives_per_part = True

    def __init__(self, config: ContrastiveTuningConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.encoder = PooledEncoder(build_backbone(clip), clip, "present")
        dim, layers = self.encoder.dim, self.encoder.layers()
        # Which parameters train is settled here, for the whole stage.
        for parameter in (p for layer in layers[: len(layers) // 2] for p in layer):
            parameter.requires_grad_(False)
        self.project = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim))

    def views(self) -> tuple[ViewSpec, ...]:
        return (shifted_view(self.clip, shear=0.5),) * 2

    def embed(self, batch: Batch, noise: Noise) -> Tensor:
        return normalize(self.project(self.encoder(batch, noise)), dim=1)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        query, key = (self.embed(view, noise.view(i)) for i, view in enumerate(views))  # (N, D)
        keys = gather_rows(key)  # those of all processes, gradients included
        own = own_rows(torch.arange(len(keys), device=keys.device), len(key))
        loss = cross_entropy(query @ keys.T / self.config.temperature, own, reduction="none")
        return StepOutput({"contrast": mean_term(loss)})

    def encoders(self) -> dict[str, Encoder]:
        return {"joint": self.encoder}
