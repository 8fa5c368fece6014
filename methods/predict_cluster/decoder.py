"""What makes frames of a clip's feature."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslskel import Fidelity
from sslskel.methods.predict_cluster.config import DecoderKind, Flavour, PredictClusterConfig
from sslskel.nn.original_gru import OriginalGruCell

READ_OUT = 0.04
"""Largest initial weight of the read-out behind a fixed state (TensorFlow release)."""


class Decoder(nn.Module):
    """A GRU whose state begins as the feature, and a linear read-out of a frame's numbers."""

    def __init__(self, config: PredictClusterConfig, dim: int, numbers: int) -> None:
        super().__init__()
        self.kind, ported = config.decoder, config.flavour is Flavour.pytorch
        self.fixed_state = self.kind is DecoderKind.fixed_state
        self.predicts = self.fixed_state and not ported
        """Whether the first frame that it gives is the clip's second."""
        self.cell = nn.GRUCell(numbers, dim) if ported else OriginalGruCell(numbers, dim)
        self.read_out = nn.Linear(dim, numbers)
        if ported:
            for weight in (p for p in self.parameters() if p.ndim > 1):
                nn.init.xavier_uniform_(weight)
        elif self.fixed_state:
            nn.init.uniform_(self.read_out.weight, -READ_OUT, READ_OUT)
            nn.init.uniform_(self.read_out.bias, -READ_OUT, READ_OUT)
        else:
            nn.init.xavier_uniform_(self.read_out.weight)
            nn.init.zeros_(self.read_out.bias)
        if config.fidelity is Fidelity.paper and self.kind is DecoderKind.fixed_weights:
            self.cell.requires_grad_(False)

    def forward(self, feature: Tensor, frames: Tensor) -> Tensor:
        """(N, D), (N, T, F) -> (N, T, F), or (N, T - 1, F), the frames behind the first, where it predicts."""
        if self.fixed_state:
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
