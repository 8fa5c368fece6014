"""A teacher that follows by an exponential moving average: predict its features of the whole body from a part of it.

After data2vec (Baevski et al., ICML 2022) and S-JEPA (Abdelfattah and Alahi, ECCV 2024).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn
from torch.nn import functional

from sslskel import (
    Batch,
    BuildBackbone,
    ClipSpec,
    CosineSchedule,
    Encoder,
    Noise,
    PooledEncoder,
    PretextMethod,
    Progress,
    StepOutput,
    Teacher,
    Term,
    require,
    valid_steps,
)


@dataclass
class EmaTeacherConfig:
    hidden: float = 0.6
    """Share of the joints that the student does not see, drawn for each person."""
    momentum: float = 0.996
    """What of the teacher stays in a step; rises to 1 over training."""

    def __post_init__(self) -> None:
        require(0 < self.hidden < 1, f"method.hidden is {self.hidden}; it must lie between 0 and 1")
        require(0 <= self.momentum <= 1, f"method.momentum is {self.momentum}; it must be in [0, 1]")


class EmaTeacher(PretextMethod[EmaTeacherConfig]):
    Config = EmaTeacherConfig

    def __init__(self, config: EmaTeacherConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.backbone = build_backbone(clip)
        require(not self.backbone.joins_persons, "ema_teacher needs a backbone that sees one person at a time")
        dim = self.backbone.dim
        self.predictor = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim))
        self.teacher = Teacher(self.backbone)

    def on_part_loaded(self) -> None:
        self.teacher.follow(self.backbone, 0.0)

    def on_step_start(self, progress: Progress, noise: Noise) -> None:
        self.teacher.follow(self.backbone, CosineSchedule(self.config.momentum, 1.0).at(progress))

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        batch, draws = views[0], noise.view(0).on(views[0])
        self.backbone.bind(draws)
        seen = draws.uniform("seen", (batch.tracks.shape[2],)) >= self.config.hidden  # (P, V)
        features = self.backbone.read(batch.tracks * seen[:, None, :, None], batch.valid).grid  # (P, T', V', D)
        wanted = self.teacher.network.read(batch.tracks, batch.valid).grid
        target = functional.layer_norm(wanted, wanted.shape[-1:])
        error = functional.smooth_l1_loss(self.predictor(features), target, reduction="none").mean((2, 3))  # (P, T')
        steps = valid_steps(batch.valid, error.shape[1])
        return StepOutput({"predict": Term((error * steps).sum(), steps.sum())})

    def encoders(self) -> dict[str, Encoder]:
        return {"joint": PooledEncoder(self.backbone, self.clip, "present")}
