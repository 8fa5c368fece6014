"""Parts of the recurrent backbones: sizes, the order of a frame's numbers, input norm, layers, initial weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sslskel.api.view import ClipSpec
from sslskel.config.groups import require
from sslskel.errors import UsageError
from sslskel.nn.batch_norm import GlobalBatchNorm
from sslskel.nn.plain import is_explicit
from sslskel.nn.recurrence import side_by_side


@dataclass
class GruConfig:
    """Sizes; defaults are those of the released ISC, CMD and PCM3 (whose ISC has no input norm)."""

    hidden: int = 1024
    """Units of each direction; a feature has twice as many numbers."""
    layers: int = 3
    """GRUs, one on the outputs of the other."""
    input_norm: bool = True
    """Batch norm of the input, over clips and frames."""

    def __post_init__(self) -> None:
        for name in ("hidden", "layers"):
            require(getattr(self, name) >= 1, f"backbone.{name} is {getattr(self, name)}; it must be at least 1")


def numbers_of(clip: ClipSpec) -> int:
    """How many numbers a frame of all persons holds."""
    return clip.persons * clip.layout.num_joints * clip.coordinates


def persons_apart(tracks: Tensor, clip: ClipSpec) -> Tensor:
    """(N, T, M*V, C) joints of all persons -> (N, T, M, V, C).

    Raises ``UsageError`` where the rows are not those of M persons.
    """
    wanted = (clip.persons * clip.layout.num_joints, clip.coordinates)
    if tuple(tracks.shape[2:]) != wanted:
        raise UsageError(
            f"this backbone reads {clip.persons} persons side by side, {wanted[0]} x {wanted[1]} numbers a frame, but"
            f" was given {tracks.shape[2]} x {tracks.shape[3]}; feed batch.joined({clip.persons})"
        )
    return tracks.reshape(*tracks.shape[:2], clip.persons, clip.layout.num_joints, clip.coordinates)


def sequence(tracks: Tensor, clip: ClipSpec) -> Tensor:
    """(N, T, M*V, C) joints of all persons -> (N, T, V*C*M), the order in which released weights read a frame.

    Raises ``UsageError`` where the rows are not those of M persons.
    """
    return persons_apart(tracks, clip).permute(0, 1, 3, 4, 2).flatten(2)


def axis_by_axis(tracks: Tensor, clip: ClipSpec) -> Tensor:
    """(N, T, M*V, C) joints of all persons -> (N, T, C*V*M), the order of released codes that flatten a frame.

    Raises ``UsageError`` where the rows are not those of M persons.
    """
    return persons_apart(tracks, clip).permute(0, 1, 4, 3, 2).flatten(2)


def init_matrices(module: nn.Module) -> None:
    """Xavier-uniform weight matrices, as released; biases keep torch's start."""
    for parameter in module.parameters():
        if parameter.ndim > 1:
            nn.init.xavier_uniform_(parameter)


def input_norm(config: GruConfig, clip: ClipSpec) -> GlobalBatchNorm | None:
    """The norm of a frame's numbers over clips and frames; None where the configuration has none."""
    return GlobalBatchNorm(numbers_of(clip)) if config.input_norm else None


def entered(frames: Tensor, norm: nn.Module | None, added: Tensor | None) -> Tensor:
    """What the first layer reads: (N, T, V*C*M), normalised, then with ``added`` (V*C*M,) -> (N, T, V*C*M)."""
    x: Tensor = frames if norm is None else norm(frames.transpose(1, 2)).transpose(1, 2)
    return x if added is None else x + added


class SteppedPairs(nn.ModuleList):
    """Layers of two GRUs that both read from the first frame to the last; the first one's state stands first."""

    def __init__(self, numbers: int, hidden: int, layers: int) -> None:
        sizes = [numbers, *[2 * hidden] * (layers - 1)]
        super().__init__(nn.ModuleList(nn.GRU(size, hidden, batch_first=True) for _ in range(2)) for size in sizes)

    def forward(self, frames: Tensor) -> Tensor:
        """(N, T, numbers) -> (N, T, 2 * hidden), the state of the last layer after each frame."""
        if is_explicit():
            return self._frame_by_frame(frames)
        x = frames
        for pair in self:
            x = side_by_side([gru for gru in pair.children() if isinstance(gru, nn.GRU)], x)
        return x

    def _frame_by_frame(self, frames: Tensor) -> Tensor:
        """The same as released code does it: a bidirectional GRU is called with one frame and carries its state."""
        grus = [gru for gru in self.modules() if isinstance(gru, nn.GRU)]
        weights: list[Tensor] = [weight for gru in grus for weight in gru.parameters()]
        state = frames.new_zeros(len(grus), len(frames), grus[0].hidden_size)
        seen = []
        for frame in frames.unbind(1):
            out, state = torch.gru(frame[:, None], state, weights, True, len(self), 0.0, self.training, True, True)
            seen.append(out)
        return torch.cat(seen, 1)
