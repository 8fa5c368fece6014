"""Deep clustering: between epochs all clips are encoded and clustered; training predicts each clip's cluster.

After DeepCluster (Caron et al., ECCV 2018), with cosines as in PCL (Li et al., ICLR 2021).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize, one_hot

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
    TrainingClips,
    gather_rows,
    mean_term,
    require,
)


@dataclass
class ClusteringConfig:
    clusters: int = 100
    temperature: float = 0.1

    def __post_init__(self) -> None:
        require(self.clusters >= 2, f"method.clusters is {self.clusters}; it must be at least 2")
        require(0 < self.temperature <= 10, f"method.temperature is {self.temperature}; it must be in (0, 10]")


class Clustering(PretextMethod[ClusteringConfig]):
    Config = ClusteringConfig
    centres: Tensor  # (clusters, D)
    assigned: Tensor  # (clips of the training set,)

    def __init__(self, config: ClusteringConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.encoder = PooledEncoder(build_backbone(clip), clip, "present")
        self.register_buffer("centres", torch.zeros(config.clusters, self.encoder.dim))
        self.register_buffer("assigned", torch.zeros(clip.clips, dtype=torch.int64))

    def on_epoch_start(self, clips: TrainingClips, noise: Noise, progress: Progress) -> None:
        count = len(self.centres)
        require(count <= len(clips), f"method.clusters={count} is more than the {len(clips)} clips; lower it")
        own = [self.embed(batch) for batch in clips.batches(self.clip.test_view, noise, 256, clips.share())]
        rows = gather_rows(torch.cat(own))  # all clips, in the order of the set, on every process
        centres = rows[noise.permutation("centres", len(rows), per="batch")[:count]]
        for _ in range(20):  # spherical k-means; a cluster that loses all its clips keeps its centre
            assigned = (rows @ centres.T).argmax(1)
            member = one_hot(assigned, count).to(rows)
            centres = torch.where(member.any(0)[:, None], normalize(member.T @ rows, dim=1), centres)
        self.centres.copy_(centres)
        self.assigned.copy_(assigned)

    def embed(self, batch: Batch, noise: Noise | None = None) -> Tensor:
        return normalize(self.encoder(batch, noise), dim=1)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        features = self.embed(views[0], noise.view(0))  # (N, D)
        logits = features @ self.centres.to(features).T / self.config.temperature
        loss = cross_entropy(logits, self.assigned[views[0].position], reduction="none")
        return StepOutput({"cluster": mean_term(loss)})

    def encoders(self) -> dict[str, Encoder]:
        return {"joint": self.encoder}
