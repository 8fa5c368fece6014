"""Backbones map tracks to features. Protocols see them through ``encoder``.

Letters: N clips, P persons present, M person slots, T frames, V joints, C
coordinates, L tokens, D features; T', V' frames and joints of a feature map.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Generic, NamedTuple, Protocol, runtime_checkable

from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import TypeVar

from sslskel.api.noise import Noise
from sslskel.api.view import ClipSpec

ConfigT = TypeVar("ConfigT", default=object, covariant=True)
"""The ``Config`` of a plugin; ``object`` where its options do not matter."""


class Features(NamedTuple):
    """Output of a backbone that has more than a feature map."""

    grid: Tensor
    """(P, T', V', D)."""
    token: Tensor | None = None
    """(P, D): the feature of a row, such as a class token; without one the grid is averaged."""
    levels: Mapping[str, Tensor] = MappingProxyType({})
    """(P, width) features, by name of the level as in ``Backbone.levels``."""
    known: Tensor | None = None
    """(P, V') bool where the grid has joints that some bodies lack: means are over the others."""

    @classmethod
    def of(cls, output: Tensor | Features) -> Features:
        """The output of a backbone as ``Features``, also of one that returns the grid alone."""
        return cls(output) if isinstance(output, Tensor) else output

    def rows(self, some: slice) -> Features:
        """The features of some rows."""
        levels = {name: level[some] for name, level in self.levels.items()}
        token, known = (None if one is None else one[some] for one in (self.token, self.known))
        return Features(self.grid[some], token, levels, known)

    def over_joints(self) -> Tensor:
        """(P, T', D): the mean over the known joints."""
        if self.known is None:
            return self.grid.mean(2)
        weights = self.known.to(self.grid.dtype)[:, None, :, None]
        return (self.grid * weights).sum(2) / weights.sum(2).clamp(min=1)

    def of_known(self) -> Tensor:
        """(P, T', V', D): the grid, zeros for joints that are not known."""
        return self.grid if self.known is None else self.grid * self.known[:, None, :, None]


def mean_over_time(grid: Tensor, valid: Tensor | None = None) -> Tensor:
    """(P, T', ...) -> (P, ...), over all steps, or over the valid ones; 0 where there is none.

    ``valid`` is (P, T), or (P, T, M) where persons are joined. A step is valid if any of its frames is.
    """
    if valid is None:
        return grid.mean(1)
    weights = valid_steps(valid, grid.shape[1]).to(grid.dtype).reshape(*grid.shape[:2], *[1] * (grid.ndim - 2))
    return (grid * weights).sum(1) / weights.sum(1).clamp(min=1)


def valid_steps(valid: Tensor, steps: int) -> Tensor:
    """(P, T) or (P, T, M) -> (P, T'): whether any frame of a step is valid for any person."""
    frames = valid if valid.ndim == 2 else valid.any(2)
    if frames.shape[1] % steps == 0:
        return frames.reshape(len(frames), steps, frames.shape[1] // steps).any(2)
    return functional.adaptive_max_pool1d(frames.float(), steps) > 0


class Backbone(nn.Module, ABC, Generic[ConfigT]):
    """A network over one person's track, or over all persons of a clip at once.

    With ``joins_persons`` the rows it gets are clips, (N, T, M*V, C) with the
    persons' joints side by side and zeros for the missing ones.

    With ``reads_validity`` it gets a second argument, (P, T) bool: False where the person is missing or the
    clip was padded. Where persons are joined it is (N, T, M), so that an absent person is a column without
    a valid frame and padding a frame without a valid person. The content of invalid frames must not change any feature.
    """

    Config: ClassVar[type]
    """Dataclass of the options; all have defaults."""
    version: ClassVar[int] = 1
    """Bump when numbers change."""
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = MappingProxyType({})
    """Its own sizes in presets of whole runs: ``{"quick": {"dim": 64}}``. The preset's file takes precedence."""
    joins_persons: ClassVar[bool] = False
    """True if a row is a clip, with the joints of its persons concatenated."""
    batch_statistics: ClassVar[bool] = False
    """True if outputs in training mode depend on other rows (BatchNorm)."""
    masks_joints: ClassVar[bool] = False
    """True if ``forward`` takes a last argument ``known``, (P, V) bool or None for all: what the tracks of other joints
    hold must not change any feature of a known one. It keeps joints. Without it a network reads a joint that a body
    lacks where the nearest joint is that the body has."""
    drops_joints: ClassVar[bool] = False
    """True if ``forward`` takes a second argument: joints (R,) int64 to leave out, which reduces V'."""
    reads_validity: ClassVar[bool] = False
    """True if ``forward`` takes the validity of frames; a row may have no valid frame."""
    keeps_joints: ClassVar[bool] = False
    """True if V' is V, in the same order: protocols can then read features per joint and per body part."""
    joins_joints: ClassVar[bool] = False
    """True if a token covers all joints of its frames, so that V' is 1 and there are T / segment tokens."""
    levels: Mapping[str, int] = MappingProxyType({})
    """Names and widths of further features in ``Features.levels``, which protocols can choose."""
    dim: int
    """D."""

    def __init__(self, config: ConfigT, clip: ClipSpec) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, tracks: Tensor) -> Tensor | Features:
        """(P, T, V, C) -> (P, T', V', D), optionally with a token and further levels."""

    def read(self, tracks: Tensor, valid: Tensor, known: Tensor | None = None) -> Features:
        """:meth:`forward`, with ``valid`` if it reads validity, and ``known`` (P, V) if it masks joints."""
        more = (valid,) if self.reads_validity else ()
        if known is None or not self.masks_joints:
            return Features.of(self(tracks, *more))
        return Features.of(self(tracks, *more, known))._replace(known=known)

    def summary(self, features: Features, valid: Tensor) -> Tensor:
        """One feature per row, (P, D): its token, else the mean over valid steps if it reads validity, else
        :meth:`pool`."""
        if features.token is not None:
            return features.token
        if self.reads_validity:
            return mean_over_time(features.over_joints(), valid)
        if features.known is not None:
            return features.over_joints().mean(1)
        return self.pool(features.grid)

    def pool(self, features: Tensor) -> Tensor:
        """(P, T', V', D) -> (P, D); the mean, unless the released code does otherwise."""
        return features.mean(dim=(1, 2))

    def bind(self, noise: Noise) -> None:
        """Set the source of randomness for the next training passes (drop path); most backbones need none."""

    def layers(self) -> list[list[nn.Parameter]]:
        """Every weight once, in stages from input to output, for learning rates that decay with depth.

        One stage by default.
        """
        return [list(self.parameters())]

    def set_drop_path(self, rate: float) -> bool:
        """Skip residual branches in training with up to this probability; returns False if there are none."""
        return False


@runtime_checkable
class TokenBackbone(Protocol):
    """What masked methods need from a backbone beyond :class:`Backbone`."""

    dim: int
    segment: int
    """Frames per token; token l*V + v covers frames l*segment.. of joint v."""
    joins_joints: ClassVar[bool]
    """Whether a token covers all joints instead: token l covers frames l*segment.., and V is 1 below."""

    def tokens(self, tracks: Tensor) -> Tensor:
        """(P, T, V, C) -> (P, L, D), positions added, L = T / segment * V, time-major."""
        ...

    def encode(self, tokens: Tensor, keep: Tensor | None = None) -> Tensor:
        """(P, L, D) [and (P, K) ids of the tokens to keep, in order] -> (P, L or K, D)."""
        ...


@runtime_checkable
class LayeredTokenBackbone(TokenBackbone, Protocol):
    """A token backbone that shows what every block makes of the tokens, for targets of several layers."""

    def encode_layers(self, tokens: Tensor) -> list[Tensor]:
        """(P, L, D) -> the tokens, then the output of every block in order, each (P, L, D), before any final norm."""
        ...


@runtime_checkable
class SequenceBackbone(Protocol):
    """What methods with prompts need from a backbone that reads a clip frame by frame, all persons concatenated."""

    dim: int

    def sequence(self, tracks: Tensor) -> Tensor:
        """(N, T, M*V, C) -> (N, T, V*C*M), the order in which a frame's numbers are read."""
        ...

    def encode(self, frames: Tensor, added: Tensor | None = None) -> Tensor:
        """(N, T, V*C*M) [and (V*C*M,) to be added behind the input norm] -> (N, T, 1, D)."""
        ...


@runtime_checkable
class SparseTokenBackbone(TokenBackbone, Protocol):
    """A token backbone that can embed a subset of tokens; masked methods then embed visible tokens only."""

    def kept_tokens(self, tracks: Tensor, keep: Tensor) -> Tensor:
        """(P, T, V, C), (P, K) ids -> (P, K, D), positions added: the rows of :meth:`tokens` with these ids."""
        ...
