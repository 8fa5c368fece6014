"""SkeletonCLR: momentum contrast on skeleton clips, the baseline of the CrosSCLR family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sslskel import (
    Batch,
    BuildBackbone,
    ClipSpec,
    Encoder,
    Fidelity,
    MethodCard,
    Noise,
    PretextMethod,
    Progress,
    StepOutput,
    Stream,
    ViewSpec,
    shifted_view,
)
from sslskel.contrastive import (
    EMPTY_BODIES_COUNT,
    WHOLE_CLIP,
    ContrastConfig,
    HeadInit,
    ReleasedSteps,
    info_nce,
    mean_term,
    momentum_contrast,
    require_shear,
    sgd_recipe,
)


@dataclass
class SkeletonCLRConfig(ContrastConfig):
    """Defaults are those of the released NTU-60 scripts."""

    queue: int = 32768
    stream: Stream = Stream.joint
    fidelity: Fidelity = Fidelity.released
    shear: float = 0.5
    """Largest shear of one axis by another."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_shear(self.shear)


class SkeletonCLR(ReleasedSteps, PretextMethod[SkeletonCLRConfig]):
    """Two sheared and shifted views of a clip should agree, against a queue of other clips.

    Li et al., "3D Human Action Representation Learning via Cross-View Consistency
    Pursuit", CVPR 2021, section 3.1. Released: the key encoder starts from weights of its
    own, because all weights are drawn again after the query's were copied to it. Paper:
    it starts as a copy of the query.
    """

    Config = SkeletonCLRConfig
    card = MethodCard(
        paper=("Li et al., 3D Human Action Representation Learning via Cross-View Consistency Pursuit, CVPR 2021"),
        year=2021,
        family="momentum contrast",
        checked="SkeletonCLR in the released AimCLR code: losses, gradients, keys, weights of 3 steps",
        departures="key encoder initialised separately",
        protocols=("linear_crossclr",),
    )
    cross_batch = True
    default_backbone = "st_gcn"
    recipe: ClassVar[Mapping[str, Any]] = {
        "train": sgd_recipe(epochs=300, batch_size=128, lr=0.1, milestone=250),
        "clip": WHOLE_CLIP,
        "backbone": {"dropout": 0.5},
    }
    expected_failed_checks: ClassVar[Mapping[str, str]] = EMPTY_BODIES_COUNT

    def __init__(self, config: SkeletonCLRConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        apart = config.fidelity is Fidelity.released
        self.contrast = momentum_contrast(config, build_backbone, clip, config.stream, HeadInit.normal, apart=apart)

    def views(self) -> tuple[ViewSpec, ...]:
        """Query and key."""
        return (shifted_view(self.clip, self.config.shear),) * 2

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """One term, ``contrast``: InfoNCE over the own key and the queue."""
        query = self.contrast.query(views[0], noise.view(0))
        key = self.contrast.keys(views[1], noise.view(1))
        logits = self.contrast.similarities(query, key) / self.config.temperature
        return StepOutput({"contrast": mean_term(info_nce(logits))})

    def encoders(self) -> dict[str, Encoder]:
        """The query's backbone."""
        return {self.config.stream.value: self.contrast.query.encoder()}
