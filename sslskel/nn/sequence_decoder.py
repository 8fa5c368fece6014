"""What makes frames of a clip's feature, one after the other: the weak decoders of sequence auto-encoders."""

from __future__ import annotations

from enum import Enum

import torch
from torch import Tensor, nn


class DecoderKind(Enum):
    """What the decoder reads, and which state it has, at every frame."""

    fixed_weights = "fixed_weights"
    """Zeros; the state is carried. The weights of its cell are meant to stay as they are drawn."""
    fixed_state = "fixed_state"
    """Its own last output, the clip's first frame at first; the state is the feature at every frame."""
    free = "free"
    """As ``fixed_weights``, with weights that are meant to be trained."""
    teacher_forced = "teacher_forced"
    """The very frame that it is to give, and zeros at first."""


class SequenceDecoder(nn.Module):
    """A recurrent cell whose state begins as the feature, and a linear read-out of a frame's numbers.

    (Predict & Cluster, Su et al., CVPR 2020, section 3.) ``cell`` takes a frame (N, F) and a state (N, D) to a state.
    With ``predicts``, of ``fixed_state`` alone, the first frame that it gives is the clip's second.
    """

    def __init__(self, cell: nn.Module, dim: int, numbers: int, kind: DecoderKind, *, predicts: bool = False) -> None:
        super().__init__()
        self.kind, self.predicts = kind, predicts
        self.cell, self.read_out = cell, nn.Linear(dim, numbers)

    def forward(self, feature: Tensor, frames: Tensor) -> Tensor:
        """(N, D), (N, T, F) -> (N, T, F), or (N, T - 1, F), the frames behind the first, where it predicts."""
        if self.kind is DecoderKind.fixed_state:
            return self._from_its_own(feature, frames[:, 0], frames.shape[1] - self.predicts)
        shown = torch.zeros_like(frames)
        if self.kind is DecoderKind.teacher_forced:
            shown[:, 1:] = frames[:, 1:]
        state, states = feature, []
        for x in shown.unbind(1):
            state = self.cell(x, state)
            states.append(state)
        frames_out: Tensor = self.read_out(torch.stack(states, 1))
        return frames_out

    def _from_its_own(self, feature: Tensor, first: Tensor, count: int) -> Tensor:
        x, made = first, []
        for _ in range(count):
            x = x + self.read_out(self.cell(x, feature))
            made.append(x)
        return torch.stack(made, 1) if made else first[:, None, :][:, :0]
