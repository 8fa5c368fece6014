"""Hide some joints of every person for the whole clip and predict where they were."""

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
    StepOutput,
    Term,
    require,
)


@dataclass
class HiddenJointsConfig:
    """Set one with ``method.hidden=0.3``."""

    hidden: float = 0.4
    """Share of the joints hidden; at least one is, and at least one is not."""

    def __post_init__(self) -> None:
        require(0 < self.hidden < 1, f"method.hidden is {self.hidden}; it must lie between 0 and 1")


class HiddenJoints(PretextMethod[HiddenJointsConfig]):
    """Regress the hidden joints' coordinates, frame by frame, from the pooled rest of the body."""

    Config = HiddenJointsConfig

    def __init__(self, config: HiddenJointsConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.backbone = build_backbone(clip)
        require(not self.backbone.joins_persons, "hidden_joints needs a backbone that sees one person at a time")
        self.count = min(max(1, round(config.hidden * clip.layout.num_joints)), clip.layout.num_joints - 1)
        self.head = nn.Linear(self.backbone.dim, clip.frames * clip.layout.num_joints * clip.coordinates)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """Squared error over hidden joints in valid frames; hidden joints are zeros at the input."""
        tracks, draws = views[0].tracks, noise.view(0).on(views[0])
        self.backbone.bind(draws)
        order = draws.permutation("hidden", tracks.shape[2])  # (P, V)
        hidden = torch.zeros_like(order).scatter_(1, order[:, : self.count], 1).to(tracks.dtype)
        features = self.backbone.read(tracks * (1 - hidden)[:, None, :, None], views[0].valid)
        predicted = self.head(self.backbone.summary(features, views[0].valid)).reshape(tracks.shape)
        weight = (hidden[:, None] * views[0].valid[..., None])[..., None].expand_as(tracks)  # (P, T, V, C)
        return StepOutput({"hidden": Term(((predicted - tracks).square() * weight).sum(), weight.sum())})

    def encoders(self) -> dict[str, Encoder]:
        """The backbone, averaged over persons, is what protocols judge."""
        return {"joint": PooledEncoder(self.backbone, self.clip)}
