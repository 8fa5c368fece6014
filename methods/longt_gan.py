"""LongT GAN: fill in what is hidden of a clip, so well that a critic cannot tell the clip from a true one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from sslskel import (
    Batch,
    BuildBackbone,
    ClipSpec,
    Encoder,
    MethodCard,
    Noise,
    PooledEncoder,
    PretextMethod,
    Progress,
    StepOutput,
    Term,
    Turn,
    mean_term,
    require,
)
from sslskel.contrastive import WHOLE_CLIP, require_weight


@dataclass
class LongTGANConfig:
    """No source at hand states a value: all are ours."""

    hidden_joints: float = 0.5
    """Share of a person's joints that are hidden; ours."""
    hidden_frames: float = 0.5
    """Share of the clip's frames, in one stretch, in which they are; ours."""
    decoder_dim: int = 512
    """Units of the recurrent decoder; ours."""
    critic_dim: int = 256
    """Units of the recurrent critic; ours."""
    critic_lr: float = 2e-4
    """Rate of the critic's Adam; ours."""
    deceive: float = 0.01
    """Weight of deceiving the critic beside the error of what is filled in, which has 1; ours."""

    def __post_init__(self) -> None:
        for name in ("hidden_joints", "hidden_frames"):
            require(0 < getattr(self, name) <= 1, f"method.{name} is {getattr(self, name)}; it must be in (0, 1]")
        for name in ("decoder_dim", "critic_dim"):
            require(getattr(self, name) >= 1, f"method.{name} is {getattr(self, name)}; it must be at least 1")
        require(0 < self.critic_lr < 1, f"method.critic_lr is {self.critic_lr}; it must be in (0, 1)")
        require_weight("deceive", self.deceive)


class Critic(nn.Module):
    """A GRU that gives one number for a sequence: above 0 where it takes it for a true one."""

    def __init__(self, numbers: int, dim: int) -> None:
        super().__init__()
        self.gru, self.verdict = nn.GRU(numbers, dim, batch_first=True), nn.Linear(dim, 1)

    def forward(self, tracks: Tensor) -> Tensor:
        """(P, T, V, C) -> (P,)."""
        verdict: Tensor = self.verdict(self.gru(tracks.flatten(2))[1][-1])
        return verdict[:, 0]


class LongTGAN(PretextMethod[LongTGANConfig]):
    """One feature of a damaged clip, from which, and from what is left of the clip, a decoder restores it.

    Zheng et al., "Unsupervised Representation Learning with Long-Term Dynamics for Skeleton
    Based Action Recognition", AAAI 2018. Written after the description alone: no code was
    released. A recurrent encoder reads the clip without what is hidden; its final state is the
    feature. The decoder reads the same frames and the feature. The critic compares true clips
    with such in which only what was hidden is the decoder's (losses of Goodfellow et al.,
    NeurIPS 2014). That the encoder reads in both directions, and which joints and frames are
    hidden, is ours.
    """

    Config = LongTGANConfig
    card = MethodCard(
        paper=(
            "Zheng et al., Unsupervised Representation Learning with Long-Term Dynamics for Skeleton Based Action "
            "Recognition, AAAI 2018"
        ),
        year=2018,
        family="adversarial inpainting",
        described=True,
    )
    default_backbone = "bigru"
    recipe: ClassVar[Mapping[str, Any]] = {
        "train": {
            "optimiser": "adam",
            "lr": 1e-3,
            "weight_decay": 0.0,
            "beta2": 0.999,
            "epochs": 100,
            "batch_size": 64,
        },
        "clip": {**WHOLE_CLIP, "frames": 64},
        "backbone": {"hidden": 512, "layers": 1, "input_norm": False},
    }

    def __init__(self, config: LongTGANConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.encoder = PooledEncoder(build_backbone(clip), clip, "present")
        numbers = clip.layout.num_joints * clip.coordinates
        self.decoder = nn.GRU(numbers + self.encoder.dim, config.decoder_dim, batch_first=True)
        self.read_out = nn.Linear(config.decoder_dim, numbers)
        self.critic = Critic(numbers, config.critic_dim)

    def turns(self) -> tuple[Turn, ...]:
        """The critic learns first, then what it judges."""
        parts = (self.encoder, self.decoder, self.read_out)
        restores = [{"params": [p for part in parts for p in part.parameters()]}]
        recipe = {"optimiser": "adam", "lr": self.config.critic_lr, "beta1": 0.5, "weight_decay": 0.0}
        return Turn("critic", [{"params": list(self.critic.parameters())}], recipe=recipe), Turn("generator", restores)

    def hidden(self, draws: Noise, shape: Sequence[int]) -> Tensor:
        """What the encoder does not see of tracks of this shape (P, T, V, C): (P, T, V, 1) bool."""
        frames, joints = shape[1], shape[2]
        length = max(1, round(self.config.hidden_frames * frames))
        begin = draws.integers("begin", frames - length + 1, (1,))  # (P, 1)
        since = torch.arange(frames, device=begin.device) - begin  # (P, T)
        lost = draws.permutation("joints", joints) < max(1, round(self.config.hidden_joints * joints))  # (P, V)
        return (((since >= 0) & (since < length))[..., None] & lost[:, None])[..., None]

    def restored(self, batch: Batch, hidden: Tensor, noise: Noise) -> Tensor:
        """The clip with what is hidden (P, T, V, 1) filled in, and nothing else changed: (P, T, V, C)."""
        true = batch.tracks
        left = true * ~hidden
        feature = self.encoder(batch._replace(tracks=left), noise)[batch.owner].to(true)  # (P, D)
        read = torch.cat([left.flatten(2), feature[:, None].expand(-1, true.shape[1], -1)], 2)
        made: Tensor = self.read_out(self.decoder(read)[0]).view_as(true)
        return torch.where(hidden & batch.valid[..., None, None], made.to(true), true)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """``tell`` in the critic's turn; ``fill``, the squared error of what was hidden, and ``deceive`` in the other.

        ``tell`` is the sum over true and restored clips: 2 ln 2 where the critic cannot tell.
        """
        true = views[0].tracks * views[0].valid[..., None, None]  # (P, T, V, C)
        batch = views[0]._replace(tracks=true)
        hidden = self.hidden(noise.view(0).on(batch), true.shape)
        made = self.restored(batch, hidden, noise.view(0))
        if progress.turn == "critic":
            return StepOutput({"tell": mean_term(softplus(-self.critic(true)) + softplus(self.critic(made.detach())))})
        count = (hidden & batch.valid[..., None, None]).sum() * true.shape[-1]
        terms = {"fill": Term((made - true).square().sum(), count)}
        if self.config.deceive:
            terms["deceive"] = mean_term(softplus(-self.critic(made)), self.config.deceive)
        return StepOutput(terms)

    def encoders(self) -> dict[str, Encoder]:
        """The encoder alone."""
        return {"joint": self.encoder}
