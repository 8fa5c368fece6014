"""Backbones: from tracks to features. What protocols see of one is in ``encoder``.

Letters: N clips, P persons present, M person slots, T frames, V joints, C
coordinates, L tokens, D features; T', V' what is left of T and V.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, Protocol, runtime_checkable

from torch import Tensor, nn
from typing_extensions import TypeVar

from sslskel.api.noise import Noise
from sslskel.api.view import ClipSpec

ConfigT = TypeVar("ConfigT", default=object, covariant=True)
"""The ``Config`` of a plugin; one whose options are of no interest is generic in ``object``."""


class Backbone(nn.Module, ABC, Generic[ConfigT]):
    """A network over one person's track, or over all persons of a clip at once.

    With ``joins_persons`` the rows it gets are clips, (N, T, M*V, C) with the
    persons' joints side by side and zeros for the missing ones.
    """

    Config: ClassVar[type]
    version: ClassVar[int] = 1
    joins_persons: ClassVar[bool] = False
    batch_statistics: ClassVar[bool] = False
    """True where training-mode outputs depend on the other rows (BatchNorm)."""
    drops_joints: ClassVar[bool] = False
    """True where ``forward`` takes a second argument: joints (R,) int64 that are left out, so that V' is less."""
    dim: int
    """D."""

    def __init__(self, config: ConfigT, clip: ClipSpec) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, tracks: Tensor) -> Tensor:
        """(P, T, V, C) -> (P, T', V', D)."""

    def pool(self, features: Tensor) -> Tensor:
        """(P, T', V', D) -> (P, D); the mean, unless the released code does otherwise."""
        return features.mean(dim=(1, 2))

    def bind(self, noise: Noise) -> None:
        """Where draws of the next training passes come from (drop path); most backbones need none."""

    def layers(self) -> list[list[nn.Parameter]]:
        """Every weight once, in stages from input to output, for learning rates that decay with depth.

        One stage unless a backbone says more.
        """
        return [list(self.parameters())]

    def set_drop_path(self, rate: float) -> bool:
        """Skip residual branches of training passes with up to this chance; False where there are none to skip."""
        return False


@runtime_checkable
class TokenBackbone(Protocol):
    """What masked methods ask of a backbone besides :class:`Backbone`."""

    dim: int
    segment: int
    """Frames per token; token l*V + v covers frames l*segment.. of joint v."""

    def tokens(self, tracks: Tensor) -> Tensor:
        """(P, T, V, C) -> (P, L, D), positions added, L = T / segment * V, time-major."""
        ...

    def encode(self, tokens: Tensor, keep: Tensor | None = None) -> Tensor:
        """(P, L, D) [and (P, K) ids of the tokens to keep, in order] -> (P, L or K, D)."""
        ...


@runtime_checkable
class SequenceBackbone(Protocol):
    """What methods with prompts ask of a backbone that reads a clip frame by frame, all persons joined."""

    dim: int

    def sequence(self, tracks: Tensor) -> Tensor:
        """(N, T, M*V, C) -> (N, T, V*C*M), the order in which a frame's numbers are read."""
        ...

    def encode(self, frames: Tensor, added: Tensor | None = None) -> Tensor:
        """(N, T, V*C*M) [and (V*C*M,) to be added behind the input norm] -> (N, T, 1, D)."""
        ...


@runtime_checkable
class SparseTokenBackbone(TokenBackbone, Protocol):
    """A token backbone that can embed some tokens alone; masked methods then embed no hidden one."""

    def kept_tokens(self, tracks: Tensor, keep: Tensor) -> Tensor:
        """(P, T, V, C), (P, K) ids -> (P, K, D), positions added: the rows of :meth:`tokens` with these ids."""
        ...
