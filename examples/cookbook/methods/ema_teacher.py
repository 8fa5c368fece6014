"""A teacher that follows by a moving average: a network predicts its features of a clip from a part of the joints.

After data2vec (Baevski et al., ICML 2022) and S-JEPA (Abdelfattah and Alahi, ECCV 2024), with the centre of DINO
(Caron et al., ICCV 2021): what all clips have in common is no target, so that features do not become constant.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, smooth_l1_loss

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
    mean_term,
    require,
    sum_over_processes,
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
    cross_batch = True  # the centre is of the whole batch
    centre: Tensor  # (D,)

    def __init__(self, config: EmaTeacherConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.encoder = PooledEncoder(build_backbone(clip), clip, "present")
        self.teacher, dim = Teacher(self.encoder), self.encoder.dim
        self.predictor = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim))
        self.register_buffer("centre", torch.zeros(dim))

    def on_part_loaded(self) -> None:
        self.teacher.follow(self.encoder, 0.0)

    def on_step_start(self, progress: Progress, noise: Noise) -> None:
        self.teacher.follow(self.encoder, CosineSchedule(self.config.momentum, 1.0).at(progress))

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        tracks, draws = views[0].tracks, noise.view(0).on(views[0])  # (P, T, V, C)
        seen = draws.uniform("seen", (tracks.shape[2],)) >= self.config.hidden  # (P, V)
        student = self.encoder(views[0]._replace(tracks=tracks * seen[:, None, :, None]), noise.view(0))  # (N, D)
        self.wanted = self.teacher(views[0])
        target = layer_norm(self.wanted - self.centre.to(self.wanted), self.centre.shape)
        return StepOutput({"predict": mean_term(smooth_l1_loss(self.predictor(student), target, reduction="none"))})

    def on_step_end(self, progress: Progress, noise: Noise) -> None:
        sums = sum_over_processes(torch.cat([self.wanted.sum(0), self.wanted.new_full((1,), len(self.wanted))]))
        self.centre.lerp_((sums[:-1] / sums[-1]).to(self.centre), 0.1)

    def encoders(self) -> dict[str, Encoder]:
        return {"joint": self.encoder}
