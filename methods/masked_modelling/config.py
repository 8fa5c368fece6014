"""Options of masked modelling: what is seen, what is predicted, which tokens are hidden, the size of the decoder."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from sslskel import EmptyBodies, require


class Signal(Enum):
    """What of the tracks is seen or predicted."""

    joint = "joint"
    motion = "motion"


class Masking(Enum):
    """How the hidden tokens are chosen."""

    random = "random"
    motion_aware = "motion_aware"


@dataclass
class MaskedModellingConfig:
    """Defaults are MAMP (Mao et al., ICCV 2023) as its released NTU-60 scripts train it.

    Those scripts use 3 decoder blocks and reach the printed numbers with them; the
    paper's text states 5, as the scripts for NTU-120 and PKU-MMD do.
    """

    input: Signal = Signal.joint
    """What of the tracks the encoder sees."""
    target: Signal = Signal.motion
    """What of the hidden tokens is predicted."""
    masking: Masking = Masking.motion_aware
    mask_ratio: float = 0.9
    """Share of tokens hidden; int(L * (1 - mask_ratio)) are kept, 74 of 750."""
    tau: float = 0.8
    """Temperature of motion-aware masking; 0 or less masks at random, as released."""
    motion_stride: int = 1
    """Frames between the two poses whose difference is the motion, zero in the last ones
    (as released; the paper describes the zeros at the start)."""
    decoder_depth: int = 3
    """Blocks of the decoder."""
    decoder_dim: int = 256
    """Numbers of a token of the decoder; a multiple of ``decoder_heads``."""
    decoder_heads: int = 8
    """Attention heads of the decoder."""
    decoder_mlp_ratio: float = 4.0
    """Hidden units of an MLP of the decoder, as a multiple of ``decoder_dim``."""
    normalise_target: bool = True
    """Give each target token zero mean and unit variance over its values."""
    empty_bodies: EmptyBodies = EmptyBodies.present

    def __post_init__(self) -> None:
        require(0 < self.mask_ratio < 1, f"method.mask_ratio is {self.mask_ratio}; it must lie between 0 and 1")
        require(math.isfinite(self.tau), f"method.tau is {self.tau}; it must be a finite number")
        for name in ("motion_stride", "decoder_depth", "decoder_dim", "decoder_heads"):
            require(getattr(self, name) >= 1, f"method.{name} is {getattr(self, name)}; it must be at least 1")
        require(
            self.decoder_dim % self.decoder_heads == 0,
            f"method.decoder_dim={self.decoder_dim} is not divisible by method.decoder_heads={self.decoder_heads}",
        )
        require(
            self.decoder_dim * self.decoder_mlp_ratio >= 1,
            f"method.decoder_mlp_ratio is {self.decoder_mlp_ratio}; the hidden layer needs at least one unit",
        )
