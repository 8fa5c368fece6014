"""CPM: a clip and its augmented twin should find the same neighbours in a queue; later the nearest are positives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from sslskel import (
    Batch,
    BuildBackbone,
    ClipSpec,
    Encoder,
    MethodCard,
    Noise,
    PretextMethod,
    Progress,
    StepOutput,
    Stream,
    ViewSpec,
    require,
    shifted_view,
)
from sslskel.contrastive import (
    EMPTY_BODIES_COUNT,
    WHOLE_CLIP,
    ContrastConfig,
    HeadInit,
    MomentumSteps,
    divergence,
    mean_term,
    momentum_contrast,
    nearest,
    require_mining,
    require_shear,
    require_weight,
    sgd_recipe,
)


@dataclass
class CPMConfig(ContrastConfig):
    """No source at hand states a value: all are ours, those of the shared front end as in the released CrosSCLR."""

    queue: int = 32768
    stream: Stream = Stream.joint
    temperature: float = 0.1
    """Of the student's similarities to the queue; ours."""
    target_temperature: float = 0.05
    """Of the target's, at most the student's; ours."""
    mining_epoch: float = 150.0
    """Epoch from which the nearest queue entries count as positives; ours."""
    positives: int = 16
    """Queue entries nearest to the target that do, all of a shorter queue; 0 for none; ours."""
    positive_weight: float = 1.0
    """Of the term of the positives; ours."""
    shear: float = 0.5
    """Largest shear of one axis by another."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_shear(self.shear)
        require(
            0 < self.target_temperature <= self.temperature,
            f"method.target_temperature is {self.target_temperature}; it must be positive and at most"
            f" method.temperature={self.temperature}",
        )
        require_mining(self.mining_epoch)
        require(self.positives >= 0, f"method.positives is {self.positives}; it must not be negative")
        require_weight("positive_weight", self.positive_weight)


def missed(logits: Tensor, positive: Tensor) -> Tensor:
    """-log of the summed probability of the entries marked positive: (N, K), (N, K) bool -> (N,)."""
    return logits.logsumexp(1) - logits.masked_fill(~positive, -math.inf).logsumexp(1)


class CPM(MomentumSteps, PretextMethod[CPMConfig]):
    """The similarities of a clip to a queue of other clips should be those of its twin, which are sharper.

    Zhang et al., "Contrastive Positive Mining for Unsupervised 3D Action Representation
    Learning", ECCV 2022. Written after the description alone: no code was released. The student
    is trained; the target follows it and fills the queue. The loss is the Kullback-Leibler
    divergence from the target's distribution over the queue to the student's; from
    ``mining_epoch`` on the student should also put its probability on the entries that are
    nearest to the target. The key of the same step is not in the queue yet.
    """

    Config = CPMConfig
    card = MethodCard(
        paper=(
            "Zhang et al., Contrastive Positive Mining for Unsupervised 3D Action Representation Learning, ECCV 2022"
        ),
        year=2022,
        family="momentum contrast",
        described=True,
    )
    cross_batch = True
    default_backbone = "st_gcn"
    recipe: ClassVar[Mapping[str, Any]] = {
        "train": sgd_recipe(epochs=300, batch_size=128, lr=0.1, milestone=250),
        "clip": WHOLE_CLIP,
        "backbone": {"dropout": 0.5},
    }
    expected_failed_checks: ClassVar[Mapping[str, str]] = EMPTY_BODIES_COUNT

    def __init__(self, config: CPMConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.contrast = momentum_contrast(config, build_backbone, clip, config.stream, HeadInit.normal)

    def views(self) -> tuple[ViewSpec, ...]:
        """Student and target."""
        return (shifted_view(self.clip, self.config.shear),) * 2

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """``match``, the divergence of the distributions over the queue; later ``positives`` too."""
        config, contrast = self.config, self.contrast
        student = contrast.neighbourhood(contrast.query(views[0], noise.view(0))) / config.temperature  # (N, K)
        target = contrast.neighbourhood(contrast.keys(views[1], noise.view(1))) / config.target_temperature
        terms = {"match": mean_term(divergence(student, target))}
        if config.positives and progress.epoch >= config.mining_epoch:
            positive = nearest(target, min(config.positives, target.shape[1]))
            terms["positives"] = mean_term(missed(student, positive), config.positive_weight)
        return StepOutput(terms)

    def encoders(self) -> dict[str, Encoder]:
        """The student's backbone."""
        return {self.config.stream.value: self.contrast.query.encoder()}
