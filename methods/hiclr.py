"""HiCLR: three strengths of augmentation, each of which imitates the one below it, in momentum contrast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

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
    require,
    shifted_view,
)
from sslskel.contrastive import (
    EMPTY_BODIES_COUNT,
    WHOLE_CLIP,
    ContrastConfig,
    HeadInit,
    MomentumSteps,
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
from sslskel.transforms.augment import AxisMask, FillPersons, Flip, GaussianNoise, TiltRotation, require_swaps
from sslskel.transforms.augment_time import GaussianBlur


@dataclass
class HiCLRConfig(ContrastConfig):
    """Defaults are those of the released NTU-60 scripts."""

    queue: int = 32768
    stream: Stream = Stream.joint
    mask_ratio: float = 0.1
    """Share of the joints of each frame, rounded down, that the strong view loses."""
    mining_epoch: float = 150.0
    """Epoch from which the nearest queue entries count as positives."""
    neighbours: int = 1
    """Nearest queue entries of each of the three views that do."""
    shear: float = 0.5
    """Largest shear of one axis by another."""
    fidelity: Fidelity = Fidelity.released

    def __post_init__(self) -> None:
        super().__post_init__()
        require_shear(self.shear)
        require(0 <= self.mask_ratio <= 1, f"method.mask_ratio is {self.mask_ratio}; it must be in [0, 1]")
        require_mining(self.mining_epoch)
        require(
            1 <= self.neighbours <= self.queue,
            f"method.neighbours is {self.neighbours}; it must be 1 to method.queue={self.queue}",
        )


def hidden_joints(frames: int, joints: int, count: int, noise: Noise) -> Tensor:
    """(T, V) bool: ``count`` joints of every frame, the same for all clips and persons of a step.

    Noise site: ``mask.joints``, an order of the joints per frame, the first are hidden.
    """
    order = noise.permutation("mask.joints", joints, (frames,), per="batch")
    return torch.zeros_like(order, dtype=torch.bool).scatter(1, order[:, :count], True)


class HiCLR(MomentumSteps, PretextMethod[HiCLRConfig]):
    """A normally augmented view imitates the basic one, a strongly augmented view the normal one.

    Zhang et al., "Hierarchical Consistent Contrastive Learning for Skeleton-Based Action Recognition with Growing
    Augmentations", AAAI 2023. Basic: crop and shear. Normal and strong: flip, turn, noise, blur and a lost axis too.
    Strong: some joints of every frame take one learned number instead. Released: the key encoder starts from weights
    of its own, blur is not normalised, and edges of the graph are never dropped, though the paper lists that among
    the strong augmentations. ``fidelity=paper``: the key starts as a copy and the blur keeps the scale; its chance
    of dropping an edge is not known here, so edges stay in both.
    """

    Config = HiCLRConfig
    card = MethodCard(
        paper=(
            "Zhang et al., Hierarchical Consistent Contrastive Learning for Skeleton-Based Action Recognition with "
            "Growing Augmentations, AAAI 2023"
        ),
        year=2023,
        family="momentum contrast",
        checked="released code: losses, gradients, masks, keys, queue and weights of 4 steps, mining included",
        departures="key encoder initialised separately; blur not normalised; edges are never dropped",
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

    def __init__(self, config: HiCLRConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        apart = config.fidelity is Fidelity.released
        self.contrast = momentum_contrast(config, build_backbone, clip, config.stream, HeadInit.normal, apart=apart)
        self.hidden_value = nn.Parameter(torch.zeros(1))

    def views(self) -> tuple[ViewSpec, ...]:
        """Query, key, normal and strong; the strong one loses its joints in :meth:`forward`."""
        require_swaps(self.clip.layout, "the normal view")
        basic, fidelity = shifted_view(self.clip, self.config.shear), self.config.fidelity
        filled = (FillPersons(),) if fidelity is Fidelity.released else ()
        more = (Flip(), TiltRotation(), *filled, GaussianNoise(), GaussianBlur(fidelity), AxisMask())
        normal = ViewSpec(basic.sample, (*basic.augment, *more))
        return basic, basic, normal, normal

    def strong(self, batch: Batch, noise: Noise) -> Tensor:
        """Embeddings (N, dim) of a view without the joints that the strong view loses."""
        tower, clip = self.contrast.query, self.clip
        batch = tower.rows(batch)
        tower.backbone.bind(noise.on(batch))
        tracks, joints = tower.tracks(batch), clip.layout.num_joints
        hidden = hidden_joints(tracks.shape[1], joints, int(joints * self.config.mask_ratio), noise)
        hidden = hidden.repeat(1, tracks.shape[2] // joints)[:, :, None]
        tracks = torch.where(hidden, self.hidden_value.to(tracks), tracks)
        return tower.embed(tower.pooled(tower.backbone.read(tracks, tower.valid(batch)), batch))

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """``contrast`` as in AimCLR, later with mined positives; ``normal`` and ``strong`` of weight 1/2."""
        tower = self.contrast.query
        queries = [tower(views[0], noise.view(0)), tower(views[2], noise.view(2)), self.strong(views[3], noise.view(3))]
        key = self.contrast.keys(views[1], noise.view(1))
        similar = [self.contrast.similarities(query, key) for query in queries]
        basic, normal, strong = (similarity / self.config.temperature for similarity in similar)
        contrast = info_nce(basic)
        if progress.epoch >= self.config.mining_epoch:
            marked = [nearest(similarity[:, 1:], self.config.neighbours) for similarity in similar]
            positive = torch.cat([torch.ones_like(marked[0][:, :1]), marked[0] | marked[1] | marked[2]], 1)
            contrast = positives_nce(basic, positive)
        return StepOutput(
            {
                "contrast": mean_term(contrast),
                "normal": mean_term(cross_entropy(normal, basic), 0.5),
                "strong": mean_term(cross_entropy(strong, normal), 0.5),
            }
        )

    def encoders(self) -> dict[str, Encoder]:
        """The query's backbone."""
        return {self.config.stream.value: self.contrast.query.encoder()}
