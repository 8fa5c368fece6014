"""GFP: features of short stretches, long ones and the whole clip are predicted; small networks make them of motion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sslskel import (
    Batch,
    BuildBackbone,
    ClipSpec,
    Encoder,
    MethodCard,
    Noise,
    PooledEncoder,
    PretextMethod,
    Progress,
    StepOutput,
    Term,
    motion,
    require,
    sum_over_processes,
)
from sslskel.nn.token_masks import SeenTokens, equal_parts
from sslskel.nn.transformer_blocks import Block, init_linears, learned_table, patchify, take_tokens


@dataclass
class GFPConfig:
    """What the description states, and where it is silent, what is marked as ours."""

    mask_ratio: float = 0.9
    """Share of tokens hidden, as in MAMP."""
    tau: float = 0.8
    """Temperature of motion-aware masking, as in MAMP; 0 masks at random."""
    parts: list[int] = field(default_factory=lambda: [6, 3, 1])
    """Equal stretches of a joint, level by level: 5, 10 and 30 of 30 tokens; so many at most, where others divide."""
    target_hidden: int = 512
    """Width of the target network of a joint's stretch."""
    global_hidden: int = 2048
    """Width of the target network of the whole clip."""
    target_dim: int = 256
    """Numbers of a target; ours."""
    decoder_dim: int = 256
    """Width of the decoder; ours, as in MAMP."""
    decoder_depth: int = 1
    """Blocks of the decoder at each level; ours."""
    decoder_heads: int = 8
    """Attention heads of a block; ours, as in MAMP."""
    predict: float = 5.0
    """Weight of the error of what is predicted."""
    covariance: float = 5.0
    """Weight of the covariances of the targets."""
    variance: float = 1.0
    """Weight of their missing spread, below a standard deviation of 1."""

    def __post_init__(self) -> None:
        require(0 < self.mask_ratio < 1, f"method.mask_ratio is {self.mask_ratio}; it must lie between 0 and 1")
        require(
            bool(self.parts) and min(self.parts) >= 1 and self.parts == sorted(set(self.parts), reverse=True),
            f"method.parts is {self.parts}; it must be falling numbers from 1 on, at least one",
        )
        sizes = ("target_hidden", "global_hidden", "target_dim", "decoder_dim", "decoder_depth", "decoder_heads")
        for name in sizes:
            require(getattr(self, name) >= 1, f"method.{name} is {getattr(self, name)}; it must be at least 1")
        require(
            self.decoder_dim % self.decoder_heads == 0,
            f"method.decoder_dim={self.decoder_dim} is not divisible by method.decoder_heads={self.decoder_heads}",
        )
        for name in ("tau", "predict", "covariance", "variance"):
            value = getattr(self, name)
            require(0 <= value < math.inf, f"method.{name} is {value}; it must be a number from 0")


class Guard(NamedTuple):
    """What keeps targets from becoming one and the same (VICReg, Bardes et al., ICLR 2022)."""

    variance: Tensor
    """By how much standard deviations fall short of 1, on average."""
    covariance: Tensor
    """Squared covariances of different numbers, summed, over their number D."""


def guard(rows: Tensor) -> Guard:
    """Of the targets (n, D) of all processes together."""
    count = sum_over_processes(rows.new_full((), len(rows)))
    apart = rows - sum_over_processes(rows.sum(0)) / count.clamp(min=1)
    covariance = sum_over_processes(apart.T @ apart) / (count - 1).clamp(min=1)
    spread, dim = covariance.diagonal(), rows.shape[1]
    beside = covariance.square().sum() - spread.square().sum()
    return Guard((1 - (spread + 1e-4).sqrt()).relu().mean(), beside / dim)


def levels(segments: int, parts: Sequence[int]) -> list[int]:
    """How many stretches of a joint there are at each level, each divisible by the next: at most ``parts``."""
    numbers: list[int] = []
    for most in parts:
        number = equal_parts(numbers[-1] if numbers else segments, most)
        if number not in numbers:
            numbers.append(number)
    return numbers


def target_network(values: int, hidden: int, dim: int) -> nn.Sequential:
    """Three linear layers."""
    sizes = nn.Linear(values, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, dim)
    return nn.Sequential(sizes[0], nn.GELU(), sizes[1], nn.GELU(), sizes[2])


class CascadeDecoder(nn.Module):
    """From the features of seen tokens to targets of stretches: pooled, mixed and read level by level, then as one."""

    def __init__(self, config: GFPConfig, dim: int, seen: SeenTokens, numbers: Sequence[int]) -> None:
        super().__init__()
        width, self.numbers = config.decoder_dim, numbers
        self.segments, self.joints = seen.segments, seen.joints
        self.embed, self.mask_token = nn.Linear(dim, width), learned_table(1, 1, width)
        self.time_table, self.joint_table = learned_table(seen.segments, width), learned_table(seen.joints, width)
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(width, config.decoder_heads, 4.0) for _ in range(config.decoder_depth)))
            for _ in range(len(numbers) + 1)
        )
        self.heads = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, config.target_dim)) for _ in self.stages
        )
        init_linears(self)

    def forward(self, seen: Tensor, order: Tensor) -> list[Tensor]:
        """(P, K, D) features of the first K tokens of ``order`` (P, L) -> (P, n * V, S) for each level, (P, 1, S)."""
        hidden = order.shape[1] - seen.shape[1]
        content = torch.cat([self.embed(seen), self.mask_token.to(seen).expand(len(seen), hidden, -1)], 1)
        x = take_tokens(content, order.argsort(-1)) + (self.time_table[:, None] + self.joint_table).flatten(0, 1)
        made, steps = [], self.segments
        for number, stage, head in zip([*self.numbers, 0], self.stages, self.heads, strict=True):
            if number:
                x = x.reshape(len(x), number, steps // number, self.joints, -1).mean(2).flatten(1, 2)
            else:
                x = x.mean(1, keepdim=True)
            steps = number
            x = stage(x)
            made.append(head(x))
        return made


class GFP(PretextMethod[GFPConfig]):
    """Hide most tokens, and predict features of joints in stretches of several lengths, and one of the clip.

    Sun et al., "Towards Efficient General Feature Prediction in Masked Skeleton Modeling", ICCV 2025. Written after
    the description alone: no code was released. Masking and recipe are MAMP's. The target networks read the motion of
    their stretch and learn from all terms: ``predict``, the mean squared error of all 251 targets together, and
    for each level ``variance`` and ``covariance``, which keep targets apart. How the decoder fills in hidden tokens,
    that the target networks learn from ``predict`` too, and that seen stretches are predicted as well, is ours.
    """

    Config = GFPConfig
    card = MethodCard(
        paper="Sun et al., Towards Efficient General Feature Prediction in Masked Skeleton Modeling, ICCV 2025",
        year=2025,
        family="prediction of features",
        described=True,
    )
    cross_batch = True  # the targets of a batch are kept apart

    def __init__(self, config: GFPConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        backbone = build_backbone(clip)
        self.seen = seen = SeenTokens(backbone, clip, "gfp", config.mask_ratio, config.tau)
        self.numbers = levels(seen.segments, config.parts)
        self.decoder = CascadeDecoder(config, backbone.dim, seen, self.numbers)
        sizes = [(clip.frames // number * seen.values, config.target_hidden) for number in self.numbers]
        sizes.append((clip.frames * seen.joints * seen.values, config.global_hidden))
        self.target_networks = nn.ModuleList(target_network(*size, config.target_dim) for size in sizes)

    def targets(self, batch: Batch) -> list[Tensor]:
        """(P, n * V, S) of each level, stretch by stretch, then (P, 1, S) of the whole clip."""
        moved = self.seen.apart(motion(batch.tracks))
        inputs = [patchify(moved, self.clip.frames // number) for number in self.numbers]
        inputs.append(moved.flatten(1)[:, None])
        return [network(one) for network, one in zip(self.target_networks, inputs, strict=True)]

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """``predict``, ``variance`` and ``covariance``, the latter summed over levels."""
        batch, seen, config = views[0], self.seen, self.config
        draws = noise.view(0).on(batch)
        seen.backbone.bind(draws)
        order = seen.order(batch, draws)
        made, targets = self.decoder(seen(batch.tracks, order[:, : seen.kept]), order), self.targets(batch)
        if (known := seen.known(batch)) is not None:
            counted = [known[:, : one.shape[1]] for one in targets]
            counted[-1] = torch.ones_like(counted[-1])
            made, targets = ([one[row] for one, row in zip(rows, counted, strict=True)] for rows in (made, targets))
        flat = [(one.flatten(0, -2), target.flatten(0, -2)) for one, target in zip(made, targets, strict=True)]
        error = torch.stack([(one.to(target) - target).square().sum() for one, target in flat]).sum()
        count = error.new_full((), sum(target.numel() for _, target in flat))
        guards = [guard(target) for _, target in flat]
        variance, covariance = (torch.stack(each).sum() for each in zip(*guards, strict=True))
        once = torch.ones_like(count)
        return StepOutput(
            {
                "predict": Term(error, count, config.predict),
                "variance": Term(variance, once, config.variance),
                "covariance": Term(covariance, once, config.covariance),
            }
        )

    def encoders(self) -> dict[str, Encoder]:
        """The encoder, which protocols show all tokens."""
        return {"joint": PooledEncoder(self.seen.backbone, self.clip)}
