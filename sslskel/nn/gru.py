"""What the two GRU backbones share: sizes, the order of a clip's numbers, the input norm, and initial weights."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from sslskel.api.backbone import Backbone
from sslskel.api.view import ClipSpec
from sslskel.config.groups import require
from sslskel.errors import UsageError
from sslskel.nn.batch_norm import GlobalBatchNorm


@dataclass
class GruConfig:
    """Sizes; defaults are those of the released ISC, CMD and PCM3 (whose ISC has no input norm)."""

    hidden: int = 1024
    """Units of each direction; a feature has twice as many numbers."""
    layers: int = 3
    input_norm: bool = True
    """Batch norm of the input, over clips and frames."""

    def __post_init__(self) -> None:
        for name in ("hidden", "layers"):
            require(getattr(self, name) >= 1, f"backbone.{name} is {getattr(self, name)}; it must be at least 1")


def numbers_of(clip: ClipSpec) -> int:
    """How many numbers a frame of all persons holds."""
    return clip.persons * clip.layout.num_joints * clip.coordinates


def sequence(tracks: Tensor, clip: ClipSpec) -> Tensor:
    """(N, T, M*V, C) joints of all persons -> (N, T, V*C*M), the order in which released weights read a frame.

    Raises ``UsageError`` where the rows are not those of M persons.
    """
    wanted = (clip.persons * clip.layout.num_joints, clip.coordinates)
    if tuple(tracks.shape[2:]) != wanted:
        raise UsageError(
            f"this GRU reads {clip.persons} persons side by side, {wanted[0]} x {wanted[1]} numbers a frame, but was"
            f" given {tracks.shape[2]} x {tracks.shape[3]}; feed batch.joined({clip.persons})"
        )
    split = tracks.reshape(*tracks.shape[:2], clip.persons, clip.layout.num_joints, clip.coordinates)
    return split.permute(0, 1, 3, 4, 2).flatten(2)


def init_matrices(module: nn.Module) -> None:
    """Xavier-uniform weight matrices, as released; biases keep torch's start."""
    for parameter in module.parameters():
        if parameter.ndim > 1:
            nn.init.xavier_uniform_(parameter)


class GruBackbone(Backbone[GruConfig]):
    """Norm of the input, then :meth:`run`; T' = T, V' = 1, D = 2 * hidden."""

    Config = GruConfig
    joins_persons = True
    batch_statistics = True

    def __init__(self, config: GruConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        self.dim, self._clip = 2 * config.hidden, clip
        self.input_norm = GlobalBatchNorm(numbers_of(clip)) if config.input_norm else None

    def run(self, frames: Tensor) -> Tensor:
        """(N, T, V*C*M) -> (N, T, D)."""
        raise NotImplementedError

    def forward(self, tracks: Tensor) -> Tensor:
        """(N, T, M*V, C) -> (N, T, 1, D), the state of the last layer after each frame."""
        return self.encode(self.sequence(tracks))

    def sequence(self, tracks: Tensor) -> Tensor:
        """(N, T, M*V, C) -> (N, T, V*C*M), the order in which released weights and prompts see a frame."""
        return sequence(tracks, self._clip)

    def encode(self, frames: Tensor, added: Tensor | None = None) -> Tensor:
        """(N, T, V*C*M) in the order of :meth:`sequence` -> (N, T, 1, D); ``added`` (V*C*M,) joins behind the norm."""
        x = frames if self.input_norm is None else self.input_norm(frames.transpose(1, 2)).transpose(1, 2)
        return self.run(x if added is None else x + added)[:, :, None]
