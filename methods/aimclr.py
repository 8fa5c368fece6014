"""AimCLR: extreme augmentations, attention-guided drop and mined neighbours on top of SkeletonCLR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

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
    UsageError,
    ViewSpec,
    require,
    shifted_view,
    sum_over_processes,
)
from sslskel.contrastive import (
    EMPTY_BODIES_COUNT,
    WHOLE_CLIP,
    ContrastConfig,
    HeadInit,
    ReleasedSteps,
    cross_entropy,
    info_nce,
    mean_term,
    momentum_contrast,
    nearest,
    positives_nce,
    require_mining,
    require_shear,
    sgd_recipe,
)
from sslskel.transforms.augment import AxisMask, FillPersons, Flip, GaussianNoise, Shear, TiltRotation, require_swaps
from sslskel.transforms.augment_time import GaussianBlur, PadCrop, TimeFlip


@dataclass
class AimCLRConfig(ContrastConfig):
    """Defaults are those of the released NTU-60 scripts."""

    queue: int = 32768
    stream: Stream = Stream.joint
    mining_epoch: float = 150.0
    """Epoch from which the nearest queue entries count as positives."""
    neighbours: int = 1
    """Nearest queue entries of each of the three branches that do."""
    drop_above: float = 0.7
    """Features with an attention from here on are dropped; attention lies in 0.62 to 1."""
    shear: float = 0.5
    """Largest shear of one axis by another."""
    fidelity: Fidelity = Fidelity.released

    def __post_init__(self) -> None:
        super().__post_init__()
        require_shear(self.shear)
        require_mining(self.mining_epoch)
        require(
            1 <= self.neighbours <= self.queue,
            f"method.neighbours is {self.neighbours}; it must be 1 to method.queue={self.queue}",
        )
        require(0.5 < self.drop_above <= 1, f"method.drop_above is {self.drop_above}; it must lie in (0.5, 1]")


def extreme_view(clip: ClipSpec, shear: float, fidelity: Fidelity) -> ViewSpec:
    """The extreme view: eight augmentations in the released order.

    As released missing persons are zeros that get the noise too. Raises ``DataError``
    where the layout names no left and right.
    """
    require_swaps(clip.layout, "the extreme view")
    filled = (FillPersons(),) if fidelity is Fidelity.released else ()
    extreme = (
        *filled,
        Shear(shear),
        Flip(),
        TiltRotation(),
        GaussianNoise(),
        GaussianBlur(fidelity),
        AxisMask(),
        TimeFlip(),
    )
    return ViewSpec(PadCrop(), (*clip.train_view.augment, *extreme))


def attention(maps: Tensor) -> Tensor:
    """Energy-based attention of every value within its row and channel: (P, T', V', D) -> the same, 0.5 to 1."""
    squared = (maps - maps.mean((1, 2), keepdim=True)).square()
    variance = squared.sum((1, 2), keepdim=True) / (maps.shape[1] * maps.shape[2] - 1)
    return (squared / (4 * (variance + 1e-4)) + 0.5).sigmoid()


def attention_drop(maps: Tensor, above: float, frames: bool) -> Tensor:
    """Zero the joints, then the moments, that attention is drawn to: (P, T', V', D) -> the same.

    A moment is a frame with ``frames``, else a single value, as released. What
    stays is scaled up by its share of the global batch; no gradient passes the masks.
    """
    with torch.no_grad():
        weight = attention(maps)
        joints = weight.mean((1, 3), keepdim=True) < above
        moments = weight.mean((2, 3), keepdim=True) < above if frames else weight < above
    for stays in (joints, moments):
        count = maps.new_full((1,), stays.numel())
        sums = sum_over_processes(torch.cat([count, stays.sum(dtype=maps.dtype).reshape(1)]))
        maps = maps * stays * (sums[0] / sums[1].clamp(min=1))
    return maps


class AimCLR(ReleasedSteps, PretextMethod[AimCLRConfig]):
    """Extreme views should see the same neighbours as normal ones, also after a drop of what stands out.

    Guo et al., "Contrastive Learning from Extremely Augmented Skeleton Sequences for
    Self-supervised Action Recognition", AAAI 2022. Released: the key encoder starts from
    weights of its own, the drop in time is one per value, and the blur of the extreme view
    is not normalised (it can enlarge a clip five times). Paper: the key starts as a copy,
    whole frames are dropped, the blur keeps the scale. In both, attention decides by
    threshold; nothing is drawn.
    """

    Config = AimCLRConfig
    card = MethodCard(
        paper=(
            "Guo et al., Contrastive Learning from Extremely Augmented Skeleton Sequences for Self-supervised "
            "Action Recognition, AAAI 2022"
        ),
        year=2022,
        family="momentum contrast",
        checked="released code: losses, gradients, keys, weights of 4 steps, mining included",
        departures="key encoder initialised separately; temporal dropout per value; blur not normalised",
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

    def __init__(self, config: AimCLRConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.released = config.fidelity is Fidelity.released
        self.contrast = momentum_contrast(
            config, build_backbone, clip, config.stream, HeadInit.normal, apart=self.released
        )
        if self.contrast.query.backbone.joins_persons:
            raise UsageError("aimclr drops single joints, which a backbone that joins persons has not; use st_gcn")

    def views(self) -> tuple[ViewSpec, ...]:
        """Query, key, and the extreme view."""
        normal = shifted_view(self.clip, self.config.shear)
        return normal, normal, extreme_view(self.clip, self.config.shear, self.config.fidelity)

    def _extreme(self, batch: Batch, noise: Noise) -> tuple[Tensor, Tensor]:
        """Embeddings (N, dim) of the extreme view as it is and after the drop."""
        tower = self.contrast.query
        batch = tower.rows(batch)
        tower.backbone.bind(noise.on(batch))
        maps = tower.maps(batch)
        dropped = attention_drop(maps, self.config.drop_above, frames=not self.released)
        return tower.embed(tower.pooled(maps, batch)), tower.embed(tower.pooled(dropped, batch))

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """``contrast`` as in SkeletonCLR, later with mined positives; two distribution terms of weight 1/2."""
        query = self.contrast.query(views[0], noise.view(0))
        extreme, dropped = self._extreme(views[2], noise.view(2))
        key = self.contrast.keys(views[1], noise.view(1))
        similar = [self.contrast.similarities(q, key) for q in (query, extreme, dropped)]
        logits = [similarity / self.config.temperature for similarity in similar]
        contrast = info_nce(logits[0])
        if progress.epoch >= self.config.mining_epoch:
            marked = [nearest(similarity[:, 1:], self.config.neighbours) for similarity in similar]
            positive = torch.cat([torch.ones_like(marked[0][:, :1]), marked[0] | marked[1] | marked[2]], 1)
            contrast = positives_nce(logits[0], positive)
        terms = {"contrast": mean_term(contrast)}
        for name, branch in (("extreme", logits[1]), ("dropped", logits[2])):
            terms[name] = mean_term(cross_entropy(branch, logits[0]), 0.5)
        return StepOutput(terms)

    def encoders(self) -> dict[str, Encoder]:
        """The query's backbone."""
        return {self.config.stream.value: self.contrast.query.encoder()}
