"""ActCLR: the moving parts of a clip are found without labels, and changed otherwise than its still parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from sslskel import (
    Batch,
    BuildBackbone,
    ClipSpec,
    EmptyBodies,
    Encoder,
    MethodCard,
    Noise,
    PretextMethod,
    Progress,
    StepOutput,
    Term,
    TrainingClips,
    UsageError,
    ViewSpec,
    gather_rows,
    require,
    world_size,
)
from sslskel.contrastive import (
    EMPTY_BODIES_COUNT,
    WHOLE_CLIP,
    HeadInit,
    MomentumSteps,
    Tower,
    divergence,
    in_slots,
    mean_over_persons,
    mean_term,
    momentum_contrast,
    sgd_recipe,
)
from sslskel.methods.actclr.actionlets import actionlet_pooled, actionlets, kept, mean_clip
from sslskel.methods.actclr.changes import QUERY, STRONG, changes, drawn_changes
from sslskel.methods.actclr.config import ActCLRConfig, Release
from sslskel.methods.actclr.mixing import NARROW, WIDE, Positives, mixes
from sslskel.transforms.augment import ShearRound, require_swaps
from sslskel.transforms.augment_time import PadCrop
from sslskel.transforms.body_parts import UNIT, part_table


class ActCLR(MomentumSteps, PretextMethod[ActCLRConfig]):
    """Mixes that spare the actionlets of a clip should have the neighbours of the clip itself.

    Lin et al., "Actionlet-Dependent Contrastive Learning for Unsupervised Skeleton-Based Action Recognition", CVPR
    2023. It starts from weights of AimCLR, ``--init PATH:contrast.query``. In the code released since December 2024
    the projector is a convolution, and the cosine by which actionlets are found runs over an axis of length 1: no
    joint is in any. ``fidelity=head`` does so; ``released`` is the code before. In both, the student's cosines are
    squared and the teacher's are not, and no clip is mixed with the one before it.
    """

    Config = ActCLRConfig
    card = MethodCard(
        paper=(
            "Lin et al., Actionlet-Dependent Contrastive Learning for Unsupervised Skeleton-Based Action "
            "Recognition, CVPR 2023"
        ),
        year=2023,
        family="momentum contrast",
        checked="released code of July 2024: actionlets, mixes, losses, gradients, queue and weights of 3 steps",
        departures="no actionlets since December 2024 (fidelity=head); the student's cosines alone are squared",
    )
    cross_batch = True
    default_backbone = "st_gcn"
    recipe: ClassVar[Mapping[str, Any]] = {
        "train": sgd_recipe(epochs=350, batch_size=512, lr=0.4, milestone=250),
        "clip": WHOLE_CLIP,
        "backbone": {"dropout": 0.5},
    }
    expected_failed_checks: ClassVar[Mapping[str, str]] = EMPTY_BODIES_COUNT
    picked: Tensor

    def __init__(self, config: ActCLRConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        part_table(clip.layout, torch.device("cpu"))
        require(clip.frames >= UNIT, f"actclr mixes {UNIT} frames and more, but clip.frames={clip.frames}; raise it")
        self.contrast = momentum_contrast(config, build_backbone, clip, config.stream, HeadInit.normal)
        backbone = self.contrast.query.backbone
        if backbone.joins_persons or not backbone.keeps_joints:
            raise UsageError("actclr looks for single joints of persons, which this backbone joins; use st_gcn")
        self.register_buffer("picked", torch.ones(2, len(STRONG), dtype=torch.bool))
        self._picked: list[list[bool]] = []

    def views(self) -> tuple[ViewSpec, ...]:
        """Strong, query, positive and key; the first two with what the epoch has drawn."""
        require_swaps(self.clip.layout, "the query view")
        before, picked = self.clip.train_view.augment, self.picked_here()
        if not any(map(any, picked)):
            return (ViewSpec(PadCrop(ratio=0), before),) * 4
        weak = ViewSpec(PadCrop(), (*before, ShearRound(self.config.shear)))
        filled = self.config.empty_bodies is EmptyBodies.reference
        query, strong = (
            ViewSpec(weak.sample, (*weak.augment, *changes(every, row, filled=filled)))
            for every, row in zip((QUERY, STRONG), picked, strict=True)
        )
        return strong, query, weak, weak

    def picked_here(self) -> list[list[bool]]:
        """What is ``picked``, by the host."""
        if not self._picked:
            self._picked = self.picked.tolist()
        return self._picked

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], *others: Any) -> None:
        self._picked = []
        super()._load_from_state_dict(state_dict, *others)

    def on_epoch_start(self, clips: TrainingClips, noise: Noise, progress: Progress) -> None:
        """Draw the epoch's augmentations."""
        stage = sum(progress.epoch >= epoch for epoch in self.config.stage_epochs)
        picked = drawn_changes(stage, noise)
        self._picked = picked.tolist()
        self.picked.copy_(picked)

    def require_batches(self, smallest: int, largest: int) -> None:
        """The queue must hold a batch, and three clips are the fewest to mix."""
        super().require_batches(smallest, largest)
        require(
            smallest >= 3, f"actclr mixes clips and needs 3 in a step, but one has {smallest}; raise train.batch_size"
        )

    def maps(self, tower: Tower, slots: Tensor, batch: Batch, noise: Noise) -> Tensor:
        """Slots of clips -> maps (P, T', V, D) of the batch's persons."""
        tower.backbone.bind(noise.on(batch))
        rows = slots.flatten(0, 1)[batch.owner * self.clip.persons + batch.slot]
        return tower.backbone.read(rows, batch.valid).grid

    def anchor(self, rows: Tensor, batch: Batch, noise: Noise) -> Tensor:
        """The key encoder's embedding (1, dim) of the mean clip of the step, which the first process computes."""
        tower, mean = self.contrast.key, mean_clip(rows, batch, self.clip.persons)
        tower.backbone.bind(noise.on(mean))
        own = tower.head(tower.pooled(tower.backbone.read(mean.tracks, mean.valid), mean))
        return gather_rows(own, [1, *[0] * (world_size() - 1)])

    def actionlets_of(self, tower: Tower, maps: Tensor, batch: Batch, anchor: Tensor) -> Tensor:
        """Actionlets (P, T', V) of maps; none in the released code's last state."""
        if self.config.fidelity is Release.head:
            return torch.zeros_like(maps[..., 0])
        return actionlets(tower, maps, batch, anchor)

    def compare(self, query: Tensor, wanted: Tensor) -> Term:
        """The divergence of squared cosines of queries (N, dim) from the cosines of keys (N, dim), in the queue."""
        teacher = self.contrast.neighbourhood(wanted)
        count = min(self.config.neighbours, teacher.shape[1])
        near = teacher.masked_fill(teacher > 0.95, -1).topk(count, dim=1)
        student = self.contrast.neighbourhood(query).square().gather(1, near.indices)
        return mean_term(divergence(student / self.config.temperature, near.values / self.config.teacher_temperature))

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """Three terms: ``query``, ``transformed`` and ``mixed``."""
        tower, persons = self.contrast.query, self.clip.persons
        batches = [tower.rows(view) for view in views]
        rows = [tower.tracks(one) for one in batches]
        strong, query, positive, key = (in_slots(*one, persons) for one in zip(rows, batches, strict=True))
        with torch.no_grad():
            anchor = self.anchor(rows[3], batches[3], noise.view(4))
            keys = self.keys(key, batches[3], anchor, noise.view(3))
            weights = []
            for at, slots in ((1, query), (2, positive)):
                maps = self.maps(tower, slots, batches[at], noise.view(4 + at))
                weights.append(in_slots(self.actionlets_of(tower, maps, batches[at], anchor), batches[at], persons))
            extent = NARROW if progress.epoch >= self.config.narrow_epoch else WIDE
            here = Positives(positive, weights[1], in_slots(torch.ones_like(rows[2][:, 0, 0, 0]), batches[2], persons))
            changed, mixed, blended = mixes(here, keys, self.clip, self.config.stream, extent, noise)
        inputs = {
            "query": (kept(query, strong, weights[0]), batches[1], keys),
            "transformed": (changed, batches[2], keys),
            "mixed": (mixed, batches[2], blended),
        }
        terms = {}
        for at, (name, (slots, batch, wanted)) in enumerate(inputs.items()):
            maps = self.maps(tower, slots, batch, noise.view(7 + at))
            terms[name] = self.compare(tower.embed(tower.pooled(maps, batch)), wanted)
        return StepOutput(terms)

    def keys(self, slots: Tensor, batch: Batch, anchor: Tensor, noise: Noise) -> Tensor:
        """Keys (N, dim) of whole clips and of their actionlets in equal shares."""
        tower = self.contrast.key
        maps = self.maps(tower, slots, batch, noise)
        pooled = actionlet_pooled(maps, self.actionlets_of(tower, maps, batch, anchor))
        whole, parts = tower.head(tower.pooled(maps, batch)), tower.head(mean_over_persons(pooled, batch))
        return self.contrast.keep(functional.normalize(0.5 * whole + 0.5 * parts, dim=1))

    def encoders(self) -> dict[str, Encoder]:
        """The query's backbone."""
        return {self.config.stream.value: self.contrast.query.encoder()}
