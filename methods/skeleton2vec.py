"""Skeleton2vec: hidden tokens are predicted as a slow copy of the network sees them with the whole clip at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel import (
    Batch,
    BuildBackbone,
    ClipSpec,
    EmptyBodies,
    Encoder,
    Fidelity,
    LayeredTokenBackbone,
    MethodCard,
    Noise,
    PooledEncoder,
    PretextMethod,
    Progress,
    StepOutput,
    Teacher,
    UsageError,
    mean_term,
    require,
)
from sslskel.nn.transformer_blocks import TokenBlocks, init_normal, learned_table, take_tokens


class Masking(Enum):
    """How hidden tokens are chosen: joints over several segments, or single tokens."""

    tube = "tube"
    random = "random"


class TargetNorm(Enum):
    """Over what the features of a layer are normalised: each token's numbers, or each number's tokens."""

    layer = "layer"
    instance = "instance"


@dataclass
class Skeleton2vecConfig:
    """Defaults are those of the released NTU RGB+D 60 script."""

    fidelity: Fidelity = Fidelity.released
    empty_bodies: EmptyBodies = EmptyBodies.reference
    masking: Masking = Masking.tube
    mask_ratio: float = 0.9
    """Share of joints hidden in every tube, or of tokens: of 25 joints, 2 are kept."""
    tube: int = 5
    """Segments of a tube."""
    views: int = 1
    """Masks of each clip in a step, which share its targets."""
    target_layers: int = 8
    """Last layers of the teacher whose mean is the target."""
    target_norm: TargetNorm = TargetNorm.layer
    momentum: float = 0.9998
    """Of the teacher at the start."""
    last_momentum: float = 0.99999
    """Of the teacher behind ``momentum_steps``."""
    momentum_steps: int = 20000
    """Steps over which the momentum rises."""
    decoder_depth: int = 4
    """Blocks of the decoder."""
    decoder_dim: int = 256
    """Numbers of a token of the decoder; a multiple of ``decoder_heads``."""
    decoder_heads: int = 8
    """Attention heads of the decoder."""
    decoder_drop_path: float = 0.2
    """Chance of skipping the decoder's last branches in training, rising to it linearly from 0."""
    decoder_layer_scale: float = 1e-4
    """Start of learned factors of what the decoder's attention and MLP add; 0 for none."""

    def __post_init__(self) -> None:
        for name in ("mask_ratio", "decoder_drop_path"):
            require(0 <= getattr(self, name) < 1, f"method.{name} is {getattr(self, name)}; it must be in [0, 1)")
        for name in ("momentum", "last_momentum", "decoder_layer_scale"):
            require(0 <= getattr(self, name) <= 1, f"method.{name} is {getattr(self, name)}; it must be in [0, 1]")
        for name in ("tube", "views", "target_layers", "momentum_steps", "decoder_depth", "decoder_heads"):
            require(getattr(self, name) >= 1, f"method.{name} is {getattr(self, name)}; it must be at least 1")
        require(
            self.decoder_dim >= 1 and self.decoder_dim % self.decoder_heads == 0,
            f"method.decoder_dim={self.decoder_dim} is not divisible by method.decoder_heads={self.decoder_heads}",
        )


class Decoder(nn.Module):
    """Predicts features of hidden tokens from those of the seen ones, by blocks over all tokens of a row."""

    def __init__(self, config: Skeleton2vecConfig, dim: int, grid: tuple[int, int]) -> None:
        super().__init__()
        width, scale, drop = config.decoder_dim, config.decoder_layer_scale, config.decoder_drop_path
        self.embed, self.mask_token = nn.Linear(dim, width), learned_table(1, 1, width)
        sizes = (width, config.decoder_heads, config.decoder_depth, grid)
        self.trunk = TokenBlocks(*sizes, layer_scale=scale, drop_path=drop, eps=1e-6)
        self.head = nn.Linear(width, dim)

    def forward(self, seen: Tensor, place: Tensor, hidden: Tensor, noise: Noise) -> Tensor:
        """(P, K, D), places (P, L) of all tokens behind [seen | mask tokens], ids (P, H) -> (P, H, D)."""
        x = self.embed(seen)
        masked = self.mask_token.to(x.dtype).expand(len(x), place.shape[1] - x.shape[1], -1)
        x = self.trunk(take_tokens(torch.cat([x, masked], 1), place), noise, "decoder_drop_path")
        predicted: Tensor = self.head(take_tokens(x, hidden))
        return predicted


class Skeleton2vec(PretextMethod[Skeleton2vecConfig]):
    """The mean of a teacher's last layers is predicted where the student sees nothing.

    Xu et al., "Skeleton2vec: A Self-supervised Learning Framework with Contextualized Target Representations for
    Skeleton Sequence", arXiv 2024. With ``fidelity=released``, as in the released code: under tube masking the decoder
    puts seen tokens into the first segments, wherever they were; learned positions in time start at 0; with several
    views, targets of clips with two persons are paired with the predictions of the other one.
    """

    Config = Skeleton2vecConfig
    card = MethodCard(
        paper=(
            "Xu et al., Skeleton2vec: A Self-supervised Learning Framework with Contextualized Target Representations "
            "for Skeleton Sequence, arXiv 2024"
        ),
        year=2024,
        family="masked prediction",
        checked="released code: masks, targets, losses, gradients, student and teacher of 4 steps, features",
        departures="seen tokens move to the first segments; positions in time start at 0; views meet another person",
        protocols=("linear_skeleton2vec",),
    )
    expected_failed_checks: ClassVar[Mapping[str, str]] = {
        "missing_persons_do_not_matter": "missing persons are rows of zeros, as released, unless empty_bodies=present"
    }
    recipe: ClassVar[Mapping[str, Any]] = {
        "train": {"lr": 5e-4, "min_lr": 1e-5, "batch_size": 96, "clip_norm": 3.0},
        "backbone": {"layer_scale": 1e-4, "drop_path": 0.2, "norm_eps": 1e-6},
    }

    def __init__(self, config: Skeleton2vecConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        backbone, self.released = build_backbone(clip), config.fidelity is Fidelity.released
        if not isinstance(backbone, LayeredTokenBackbone) or backbone.joins_persons or backbone.reads_validity:
            raise UsageError(
                f"skeleton2vec predicts features of several layers of every token, which backbone"
                f" {type(backbone).__name__} does not offer (it has no encode_layers()); use --backbone transformer"
            )
        self.segments = clip.frames // backbone.segment
        self.joints = 1 if backbone.joins_joints else clip.layout.num_joints
        self.group = self.joints if config.masking is Masking.tube else self.segments * self.joints
        self.kept = int(self.group * (1 - config.mask_ratio))
        require(
            0 < self.kept < self.group,
            f"method.mask_ratio={config.mask_ratio} keeps {self.kept} of {self.group} in a group; keep and hide one",
        )
        self.backbone, self.decoder = backbone, Decoder(config, backbone.dim, (self.segments, self.joints))
        init_normal(self)
        if self.released:
            for name, table in self.named_parameters():
                if name.endswith("time_table"):
                    nn.init.zeros_(table)
        self.teacher = Teacher(backbone)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """All weights, norms and biases too, decay, as released."""
        return [{"params": [p for p in self.parameters() if p.requires_grad]}]

    def on_part_loaded(self) -> None:
        self.teacher.follow(self.backbone, 0.0)

    def several(self, batch: Batch) -> Batch:
        """Every row once for each view: P -> P * views rows, those of a person side by side."""
        count, row = self.config.views, torch.arange(len(batch.slot), device=batch.slot.device)
        repeated = batch.rows(row.repeat_interleave(count))
        return repeated._replace(slot=repeated.slot * count + torch.arange(count, device=row.device).repeat(len(row)))

    def masked(self, noise: Noise) -> tuple[Tensor, Tensor, Tensor]:
        """Ids of seen (P, K) and of hidden tokens (P, H), and where the decoder finds each token (P, L)."""
        groups, tube = self.segments * self.joints // self.group, self.config.tube
        drawn = -(-groups // tube) if groups > 1 else 1
        rank = noise.uniform("mask", (drawn, self.group)).argsort(-1).argsort(-1)  # (P, drawn, group)
        rank = rank.repeat_interleave(tube, 1)[:, :groups]
        group = torch.arange(groups, device=rank.device)[:, None]
        behind = groups * self.kept + group * (self.group - self.kept) + rank - self.kept
        place = torch.where(rank < self.kept, group * self.kept + rank, behind).flatten(1)  # (P, L)
        order = place.argsort(-1)
        if self.released:
            place = (group * self.group + rank).flatten(1)
        return order[:, : groups * self.kept], order[:, groups * self.kept :], place

    @torch.no_grad()
    def targets(self, tracks: Tensor) -> Tensor:
        """(P, T, V, C) -> (P, L, D): the mean of the teacher's last layers, normalised before and after."""
        teacher: Any = self.teacher.network
        layers = teacher.encode_layers(teacher.tokens(tracks))[-self.config.target_layers :]
        size = layers[0].shape[-1:]
        if self.config.target_norm is TargetNorm.layer:
            layers = [functional.layer_norm(layer, size) for layer in layers]
        else:
            layers = [functional.instance_norm(layer.transpose(1, 2)).transpose(1, 2) for layer in layers]
        return functional.layer_norm(torch.stack(layers).mean(0), size)

    def pairs(self, batch: Batch) -> Tensor:
        """(P * views,): the row of the targets for each row of :meth:`several`."""
        rows, count = torch.arange(len(batch.owner), device=batch.owner.device), self.config.views
        if not self.released or count == 1:
            return rows.repeat_interleave(count)
        persons = batch.present()
        first = (persons.cumsum(0) - persons)[batch.owner]
        place = torch.arange(count, device=rows.device) * persons[batch.owner][:, None] + (rows - first)[:, None]
        return (first[:, None] + place // count).flatten()

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """One term, ``predict``: the squared error of features of hidden tokens."""
        batch = views[0]
        if self.config.empty_bodies is EmptyBodies.reference:
            batch = batch.filled(self.clip.persons)
        rows = self.several(batch)
        draws = noise.view(0).on(rows)
        seen, hidden, place = self.masked(draws)
        self.backbone.bind(draws)
        latent = self.backbone.encode(self.backbone.tokens(rows.tracks), seen)
        predicted = self.decoder(latent, place, hidden, draws)
        target = take_tokens(self.targets(batch.tracks)[self.pairs(batch)], hidden)
        return StepOutput({"predict": mean_term((predicted.to(target.dtype) - target).square())})

    def on_step_end(self, progress: Progress, noise: Noise) -> None:
        """The teacher follows."""
        config = self.config
        share = min(progress.step / config.momentum_steps, 1.0)
        self.teacher.follow(self.backbone, config.momentum + (config.last_momentum - config.momentum) * share)

    def encoders(self) -> dict[str, Encoder]:
        """The student."""
        return {"joint": PooledEncoder(self.backbone, self.clip)}
