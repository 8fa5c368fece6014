"""MacDiff: a clip's noise is predicted by a decoder, from what the encoder makes of a few of its tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sslskel import (
    Batch,
    BuildBackbone,
    ClipSpec,
    EmptyBodies,
    Encoder,
    MethodCard,
    Noise,
    PooledEncoder,
    PretextMethod,
    Progress,
    Standardise,
    StepOutput,
    TokenBackbone,
    TrainingClips,
    UsageError,
    mean_term,
    require,
)
from sslskel.nn.diffusion import LEVELS, DiffusionDecoder, inverse_cosine, min_snr_weights
from sslskel.nn.token_masks import keep_order
from sslskel.nn.transformer_blocks import patchify, take_tokens


class Prediction(Enum):
    """What the decoder predicts: the noise, the clean clip, or ``v``, a mix of both with the release's sign."""

    noise = "noise"
    joint = "joint"
    v = "v"


@dataclass
class MacDiffConfig:
    """Defaults are those of the released script for NTU RGB+D 60, cross-subject."""

    empty_bodies: EmptyBodies = EmptyBodies.reference
    one_person: bool = True
    """See the first person of a clip alone."""
    mean: list[float] = field(default_factory=lambda: [-0.0058, -0.1333, -0.0246])
    """Subtracted from each coordinate; with an empty ``variance``, both are measured on the training set."""
    variance: list[float] = field(default_factory=lambda: [0.0206, 0.0805, 0.0218])
    """Coordinates are divided by its root."""
    source_noise: float = 0.005
    """Standard deviation of what is added to the coordinates that the encoder sees, in the dataset's unit."""
    mask_ratio: float = 0.9
    """Share of hidden tokens; the number of kept ones is rounded, 75 of 750."""
    tau: float = -1.0
    """Temperature of motion-aware masking, 0.8 in the scripts for cross-view and cross-setup; random from 0 down."""
    curvature: float = 1.0
    """Of the inverse cosine schedule of noise."""
    prediction: Prediction = Prediction.noise
    min_snr: bool = False
    """Count errors less where there is little noise."""
    uniformity_weight: float = 0.02
    """Weight of the squared cosines between the seen tokens of a clip."""
    unconditional: float = 0.1
    """Share of clips whose decoder gets no condition."""
    layer_mask: float = 0.0
    """Chance, drawn for all clips of a step at once, that one modulation gets no condition."""
    decoder_depth: int = 5
    """Blocks of the decoder."""
    decoder_dim: int = 256
    """Numbers of a token of the decoder; a multiple of ``decoder_heads``."""
    decoder_heads: int = 8
    """Attention heads of the decoder."""

    def __post_init__(self) -> None:
        require(0 < self.mask_ratio < 1, f"method.mask_ratio is {self.mask_ratio}; it must lie between 0 and 1")
        require(math.isfinite(self.tau), f"method.tau is {self.tau}; it must be a finite number")
        for name in ("unconditional", "layer_mask"):
            require(0 <= getattr(self, name) <= 1, f"method.{name} is {getattr(self, name)}; it must be in [0, 1]")
        for name in ("source_noise", "uniformity_weight", "curvature"):
            value = getattr(self, name)
            require(0 <= value < math.inf, f"method.{name} is {value}; it must be a number from 0")
        constants = zip(self.mean, self.variance, strict=False)
        require(
            len(self.mean) == len(self.variance)
            and all(math.isfinite(mean) and 0 < variance < math.inf for mean, variance in constants),
            f"method.mean={self.mean} and method.variance={self.variance} must have a number for each coordinate,"
            " variances above 0; give [] for both to measure them",
        )
        for name in ("decoder_depth", "decoder_dim", "decoder_heads"):
            require(getattr(self, name) >= 1, f"method.{name} is {getattr(self, name)}; it must be at least 1")
        require(
            self.decoder_dim % self.decoder_heads == 0,
            f"method.decoder_dim={self.decoder_dim} is not divisible by method.decoder_heads={self.decoder_heads}",
        )


class MacDiff(PretextMethod[MacDiffConfig]):
    """Denoise hidden tokens of a clip, given the encoder's features of the seen ones.

    Wu et al., "MacDiff: Unified Skeleton Modeling with Masked Conditional Diffusion", ECCV 2024. A second term keeps
    features of seen tokens apart. Clips are standardised by constants, as released those of NTU RGB+D; they are kept
    with the encoder's weights.
    """

    Config = MacDiffConfig
    card = MethodCard(
        paper="Wu et al., MacDiff: Unified Skeleton Modeling with Masked Conditional Diffusion, ECCV 2024",
        year=2024,
        family="masked diffusion",
        checked="released code: schedule, masks, both terms, gradients, weights of 3 steps, features of both heads",
        protocols=("linear_macdiff",),
    )
    recipe: ClassVar[Mapping[str, Any]] = {"train": {"min_lr": 1e-5}, "clip": {"rotation": 0.0}}
    left: Tensor
    weights: Tensor

    def __init__(self, config: MacDiffConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        backbone = build_backbone(clip)
        if not isinstance(backbone, TokenBackbone) or backbone.joins_persons or backbone.joins_joints:
            raise UsageError(
                f"macdiff hides single tokens of joints, which backbone {type(backbone).__name__} does not offer; use"
                " --backbone transformer"
            )
        require(
            len(config.mean) in (0, clip.coordinates),
            f"method.mean has {len(config.mean)} numbers, but joints have {clip.coordinates} coordinates; set"
            " method.mean=[] and method.variance=[] to measure them on the training set",
        )
        segments, joints = clip.frames // backbone.segment, clip.layout.num_joints
        self.num_tokens = segments * joints
        self.num_kept = round(self.num_tokens * (1 - config.mask_ratio))
        require(
            0 < self.num_kept < self.num_tokens,
            f"method.mask_ratio={config.mask_ratio} keeps {self.num_kept} of {self.num_tokens} tokens",
        )
        self.scale = Standardise(clip.coordinates)
        if config.mean:
            self.scale.mean.copy_(torch.tensor(config.mean))
            self.scale.deviation.copy_(torch.tensor(config.variance, dtype=torch.float64).sqrt())
        self.backbone, numbers = backbone, backbone.segment * clip.coordinates
        sizes = (config.decoder_dim, config.decoder_heads, config.decoder_depth)
        self.decoder = DiffusionDecoder(*sizes, (segments, joints), backbone.dim, numbers)
        left = inverse_cosine(config.curvature)
        self.register_buffer("left", left.float(), persistent=False)
        weights = min_snr_weights(left) if config.min_snr else torch.ones_like(left)
        self.register_buffer("weights", weights.float(), persistent=False)

    def on_epoch_start(self, clips: TrainingClips, noise: Noise, progress: Progress) -> None:
        """Measure what clips are standardised by, unless it is given."""
        if progress.step == 0 and not self.config.mean:
            self.scale.measure(
                clips, self.clip.test_view, noise, values=lambda batch: batch.tracks[batch.valid].flatten(0, 1)
            )

    def rows(self, batch: Batch) -> tuple[Batch, Tensor]:
        """The rows to train on, and which of them are the first persons of their clips, ids (R,)."""
        if self.config.empty_bodies is EmptyBodies.reference:
            batch = batch.filled(self.clip.persons)
            first = torch.arange(0, len(batch.owner), self.clip.persons, device=batch.owner.device)
        else:
            starts = torch.cat([batch.owner[:1] >= 0, batch.owner[1:] != batch.owner[:-1]])
            first = starts.nonzero()[:, 0]
        if not self.config.one_person:
            return batch, first
        return batch.rows(first), torch.arange(len(first), device=first.device)

    def latent(self, tracks: Tensor, uniform: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        """Features of the seen tokens (P, K, D), and ids (P, L) of all, those first."""
        order = keep_order(tracks, self.backbone.segment, uniform, self.config.tau)
        added = noise.normal("source", tuple(tracks.shape[1:]), dtype=tracks.dtype)
        source = self.scale(tracks + self.config.source_noise * added)
        return self.backbone.encode(self.backbone.tokens(source), order[:, : self.num_kept]), order

    def condition(self, seen: Tensor, order: Tensor, noise: Noise) -> Tensor:
        """(P, L, D): each seen token's feature, and their mean for the hidden ones; zeros for some rows."""
        hidden = seen.mean(1, keepdim=True).expand(-1, self.num_tokens - seen.shape[1], -1)
        whole = take_tokens(torch.cat([seen, hidden], 1), order.argsort(-1))
        conditional = noise.uniform("unconditional") > self.config.unconditional
        return whole * conditional[:, None, None].to(whole.dtype)

    def wanted(self, clean: Tensor, added: Tensor, left: Tensor) -> Tensor:
        """What is to be predicted: (P, T, V, C), its noise, and (P, 1, 1, 1) left of its variance."""
        if self.config.prediction is Prediction.v:
            return (1 - left).sqrt() * added - left.sqrt() * clean
        return added if self.config.prediction is Prediction.noise else clean

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """Two terms: ``diffusion``, the error over hidden tokens, and ``uniformity``, squared cosines of seen ones."""
        batch, first = self.rows(views[0])
        tracks, draws = batch.tracks, noise.view(0).on(batch)
        self.backbone.bind(draws)
        seen, order = self.latent(tracks, draws.uniform("mask", (self.num_tokens,), dtype=tracks.dtype), draws)
        level, clean = draws.integers("level", LEVELS), self.scale(tracks)
        left = self.left[level][:, None, None, None].to(clean)
        added = draws.normal("added", tuple(clean.shape[1:]), dtype=clean.dtype)
        noisy = patchify(left.sqrt() * clean + (1 - left).sqrt() * added, self.backbone.segment)
        shown = draws.uniform("layer_mask", (self.config.decoder_depth, 2), "batch") >= self.config.layer_mask
        predicted = self.decoder(noisy, self.condition(seen, order, draws), level, shown)
        hidden = order[:, self.num_kept :]
        wanted = take_tokens(patchify(self.wanted(clean, added, left), self.backbone.segment), hidden)
        error = (take_tokens(predicted, hidden).to(wanted.dtype) - wanted).square().mean((1, 2))
        unit = nn.functional.normalize(seen[first], dim=-1)
        alike = (unit @ unit.transpose(1, 2)).square()
        error = error * self.weights[level].to(error)
        alike_term = mean_term(alike, self.config.uniformity_weight)
        return StepOutput({"diffusion": mean_term(error), "uniformity": alike_term})

    def encoders(self) -> dict[str, Encoder]:
        """The encoder, which sees standardised clips."""
        return {"joint": PooledEncoder(self.backbone, self.clip, prepare=self.scale)}
