"""CMD: cross-modal mutual distillation between joint, motion and bone streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import nn

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
    crop_view,
    require,
)
from sslskel.contrastive import (
    CROPPED_CLIP,
    ContrastConfig,
    HeadInit,
    MomentumSteps,
    divergence,
    info_nce,
    mean_term,
    momentum_contrast,
    require_distillation,
    require_streams,
    sgd_recipe,
)


@dataclass
class CMDConfig(ContrastConfig):
    """Defaults are those of the released NTU scripts."""

    streams: list[Stream] = field(default_factory=lambda: [Stream.joint, Stream.motion, Stream.bone])
    """Representations that learn from each other, each with an encoder of its own."""
    neighbours: int = 8192
    """Queue entries nearest to a teacher's key that are compared; all of a shorter queue."""
    teacher_temperature: float = 0.05
    """Of the similarities of a teacher's key."""
    student_temperature: float = 0.1
    """Of the similarities of a student's query."""
    distil_weight: float = 1.0
    """Weight of the distillation between streams."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_streams(self.streams, 3)
        require(self.neighbours >= 1, f"method.neighbours is {self.neighbours}; it must be at least 1")
        require_distillation(self.teacher_temperature, self.student_temperature, self.distil_weight)


class CMD(MomentumSteps, PretextMethod[CMDConfig]):
    """Each stream contrasts its own views, and learns from the other streams who a clip's neighbours are.

    Mao et al., "CMD: Self-supervised 3D Action Representation Learning with Cross-Modal
    Mutual Distillation", ECCV 2022. A teacher's neighbours are looked up in its own queue,
    the student is asked about the same clips in its own: queues are filled alike. What the
    paper calls a bidirectional GRU runs both its directions forward in time in the released
    code: ``--backbone gru_stepped`` is as released, ``--backbone bigru`` as in the paper.
    """

    Config = CMDConfig
    card = MethodCard(
        paper=(
            "Mao et al., CMD: Self-supervised 3D Action Representation Learning with Cross-Modal Mutual "
            "Distillation, ECCV 2022"
        ),
        year=2022,
        family="momentum contrast",
        checked="released code: losses, gradients, keys, weights of 3 steps",
        departures="both directions of the GRU run forward (backbone gru_stepped; bigru as in the paper)",
        protocols=("linear_cmd", "knn"),
    )
    cross_batch = True
    default_backbone = "gru_stepped"
    recipe: ClassVar[Mapping[str, Any]] = {
        "train": sgd_recipe(epochs=451, batch_size=64, lr=0.01, milestone=351),
        "clip": CROPPED_CLIP,
    }

    def __init__(self, config: CMDConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.streams = nn.ModuleDict(
            {
                stream.value: momentum_contrast(config, build_backbone, clip, stream, HeadInit.xavier)
                for stream in config.streams
            }
        )

    def views(self) -> tuple[ViewSpec, ...]:
        """Query and key; all streams are computed from the same two."""
        return (crop_view(self.clip),) * 2

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """One InfoNCE term per stream, one distillation term per ordered pair of streams."""
        config, contrasts, terms = self.config, self.contrasts(), {}
        similar, taught = {}, {}
        for at, (name, contrast) in enumerate(contrasts.items()):
            query = contrast.query(views[0], noise.view(0).view(at))
            key = contrast.keys(views[1], noise.view(1).view(at))
            similar[name] = contrast.similarities(query, key)
            taught[name] = contrast.neighbourhood(key)
            terms[f"contrast_{name}"] = mean_term(info_nce(similar[name] / config.temperature))
        for teacher, wanted in taught.items():
            nearest = wanted.topk(min(config.neighbours, wanted.shape[1]), dim=1)
            for student in [name for name in contrasts if name != teacher]:
                asked = similar[student][:, 1:].gather(1, nearest.indices)
                rows = divergence(asked / config.student_temperature, nearest.values / config.teacher_temperature)
                terms[f"{teacher}_to_{student}"] = mean_term(rows, config.distil_weight)
        return StepOutput(terms)

    def encoders(self) -> dict[str, Encoder]:
        """Every stream's query."""
        return {name: contrast.query.encoder() for name, contrast in self.contrasts().items()}
