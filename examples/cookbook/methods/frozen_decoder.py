"""A frozen decoder: an encoder whose feature must say the whole clip, because the decoder behind it cannot learn.

After Su et al., CVPR 2020, with their decoder of fixed weights; its read-out alone is trained. The clusters are
what the protocols knn and cluster find in the features.
"""

from collections.abc import Sequence
from dataclasses import dataclass

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
    StepOutput,
    Term,
    require,
)


@dataclass
class FrozenDecoderConfig:
    decoder_dim: int = 512

    def __post_init__(self) -> None:
        require(self.decoder_dim >= 1, f"method.decoder_dim is {self.decoder_dim}; it must be at least 1")


class FrozenDecoder(PretextMethod[FrozenDecoderConfig]):
    Config = FrozenDecoderConfig
    default_backbone = "bigru"

    def __init__(self, config: FrozenDecoderConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.encoder = PooledEncoder(build_backbone(clip), clip, "present")
        self.start = nn.Linear(self.encoder.dim, config.decoder_dim)
        # What trains is settled here: a change during training is refused.
        self.decoder = nn.GRU(1, config.decoder_dim, batch_first=True).requires_grad_(False)
        self.read_out = nn.Linear(config.decoder_dim, clip.persons * clip.layout.num_joints * clip.coordinates)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        state = self.start(self.encoder(views[0], noise.view(0)))  # (N, H)
        states, _ = self.decoder(state.new_zeros(len(state), self.clip.frames, 1), state[None])  # (N, T, H)
        wanted = views[0].joined(self.clip.persons)  # (N, T, M*V, C)
        valid = views[0].joined_valid(self.clip.persons)  # (N, T, M)
        error = (self.read_out(states) - wanted.flatten(2)).abs().unflatten(2, (self.clip.persons, -1)).mean(3)
        return StepOutput({"predict": Term((error * valid).sum(), valid.sum())})

    def encoders(self) -> dict[str, Encoder]:
        return {"joint": self.encoder}
