"""An adversary: fill in hidden joints so well that a critic cannot tell the clip from a true one.

After LongT GAN (Zheng et al., AAAI 2018), with the losses of Goodfellow et al., NeurIPS 2014.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn
from torch.nn.functional import softplus

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
    Turn,
    mean_term,
    require,
)


@dataclass
class AdversaryConfig:
    hidden: float = 0.4
    """Share of the joints that the encoder does not see, drawn for each person."""
    deceive: float = 0.01
    """Weight of deceiving the critic beside the error of what is filled in, which has 1."""

    def __post_init__(self) -> None:
        require(0 < self.hidden < 1, f"method.hidden is {self.hidden}; it must lie between 0 and 1")
        require(0 < self.deceive < 1e6, f"method.deceive is {self.deceive}; it must be positive")


class Adversary(PretextMethod[AdversaryConfig]):
    Config = AdversaryConfig

    def __init__(self, config: AdversaryConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.encoder = PooledEncoder(build_backbone(clip), clip, "present")
        numbers = clip.frames * clip.layout.num_joints * clip.coordinates
        self.decoder = nn.Linear(self.encoder.dim, clip.persons * numbers)
        self.critic = nn.Sequential(nn.Linear(numbers, 256), nn.LeakyReLU(0.2), nn.Linear(256, 1))

    def turns(self) -> tuple[Turn, ...]:
        made_by = [*self.encoder.parameters(), *self.decoder.parameters()]
        critic = Turn("critic", [{"params": list(self.critic.parameters())}], recipe={"lr": 2e-4, "beta1": 0.5})
        return critic, Turn("generator", [{"params": made_by}])

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        batch, true = views[0], views[0].tracks  # (P, T, V, C)
        seen = noise.view(0).on(batch).uniform("seen", (true.shape[2],)) >= self.config.hidden  # (P, V)
        feature = self.encoder(batch._replace(tracks=true * seen[:, None, :, None]), noise.view(0))  # (N, D)
        slots = self.decoder(feature).unflatten(1, (self.clip.persons, *true.shape[1:]))  # (N, M, T, V, C)
        valid = batch.valid[..., None, None]
        made = slots[batch.owner, batch.slot].to(true) * valid
        if progress.turn == "generator":
            error = (made - true).square().mean((2, 3)) * batch.valid
            deceive = mean_term(softplus(-self.critic(made.flatten(1))), self.config.deceive)
            return StepOutput({"fill": Term(error.sum(), batch.valid.sum()), "deceive": deceive})
        errors = softplus(-self.critic((true * valid).flatten(1))) + softplus(self.critic(made.detach().flatten(1)))
        return StepOutput({"tell": mean_term(errors)})

    def encoders(self) -> dict[str, Encoder]:
        return {"joint": self.encoder}
