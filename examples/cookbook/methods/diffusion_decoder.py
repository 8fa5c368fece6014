"""A diffusion decoder: denoise a clip, given the encoder's feature of it.

After diffusion autoencoders (Preechakul et al., CVPR 2022); on skeletons see MacDiff (Wu et al., ECCV 2024).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from sslskel import (
    Batch,
    BuildBackbone,
    ClipSpec,
    Encoder,
    Noise,
    PooledEncoder,
    PretextMethod,
    Progress,
    Standardise,
    StepOutput,
    Term,
    TrainingClips,
    require,
)


@dataclass
class DiffusionDecoderConfig:
    decoder_dim: int = 256

    def __post_init__(self) -> None:
        require(self.decoder_dim >= 1, f"method.decoder_dim is {self.decoder_dim}; it must be at least 1")


class DiffusionDecoder(PretextMethod[DiffusionDecoderConfig]):
    Config = DiffusionDecoderConfig

    def __init__(self, config: DiffusionDecoderConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.encoder = PooledEncoder(build_backbone(clip), clip, "present")
        numbers, width = clip.layout.num_joints * clip.coordinates, config.decoder_dim
        self.scale = Standardise(numbers)
        self.decoder = nn.Sequential(
            nn.Conv1d(numbers + self.encoder.dim + 2, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv1d(width, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv1d(width, numbers, 3, padding=1),
        )

    def on_epoch_start(self, clips: TrainingClips, noise: Noise, progress: Progress) -> None:
        if progress.step == 0:
            self.scale.measure(clips, self.clip.test_view, noise)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        batch, draws = views[0], noise.view(0).on(views[0])
        clean = self.scale(batch.tracks.flatten(2))  # (P, T, V*C)
        angle = draws.uniform("level", (1, 1), dtype=clean.dtype) * (torch.pi / 2)  # (P, 1, 1): 0 clean, pi/2 noise
        added = draws.normal("added", tuple(clean.shape[1:]), dtype=clean.dtype)
        noisy = angle.cos() * clean + angle.sin() * added
        feature = self.encoder(batch, noise.view(0))[batch.owner].to(clean)  # (P, D)
        condition = torch.cat([feature[:, None], angle.cos(), angle.sin()], 2).expand(-1, clean.shape[1], -1)
        predicted = self.decoder(torch.cat([noisy, condition], 2).transpose(1, 2)).transpose(1, 2)
        error = (predicted - added).square().mean(2)  # (P, T)
        return StepOutput({"denoise": Term((error * batch.valid).sum(), batch.valid.sum())})

    def encoders(self) -> dict[str, Encoder]:
        return {"joint": self.encoder}
