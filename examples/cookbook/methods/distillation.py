"""Distillation: a network learns to give the features of a trained one, whose weights come from a checkpoint.

As born-again networks do with classes (Furlanello et al., ICML 2018), here with features.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn
from torch.nn.functional import cosine_similarity

from sslskel import (
    Batch,
    BuildBackbone,
    ClipSpec,
    Encoder,
    Frozen,
    Noise,
    Origin,
    PooledEncoder,
    PretextMethod,
    Progress,
    StepOutput,
    fill_encoder,
    mean_term,
)


@dataclass
class DistillationConfig:
    teacher: str = ""
    """Checkpoint of an encoder on this run's backbone, of its sizes. Empty: the teacher stays as drawn, a control that
    shows what learning from a random network is worth (Grill et al., NeurIPS 2020, section 3)."""


class Distillation(PretextMethod[DistillationConfig]):
    Config = DistillationConfig

    def __init__(self, config: DistillationConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.encoder = PooledEncoder(build_backbone(clip), clip, "present")
        self.teacher = Frozen(PooledEncoder(build_backbone(clip), clip, "present"))
        dim = self.encoder.dim
        self.head = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim))

    @classmethod
    def origins(cls, config: DistillationConfig) -> tuple[Origin, ...]:
        """What the teacher has seen, this network has seen too."""
        return (Origin(Path(config.teacher), "checkpoint"),) if config.teacher else ()

    def load_start(self) -> None:
        if self.config.teacher:
            fill_encoder(self.teacher.network, self.config.teacher)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        student, teacher = self.head(self.encoder(views[0], noise.view(0))), self.teacher(views[0])  # (N, D)
        return StepOutput({"distil": mean_term(1 - cosine_similarity(student, teacher, dim=1))})

    def encoders(self) -> dict[str, Encoder]:
        return {"joint": self.encoder}
