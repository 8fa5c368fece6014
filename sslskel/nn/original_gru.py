"""The GRU as first published, whose reset gate acts on the state before the matrix (Cho et al., EMNLP 2014).

``nn.GRU`` applies it behind the matrix, to the product, so neither can represent the other.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class OriginalGruCell(nn.Module):
    """One step: (N, C), (N, H) -> (N, H), with x the input and h the state.

    ``[r, u] = sigmoid(gates([x, h]))``, ``c = tanh(candidate([x, r * h]))``, the new state ``u * h + (1 - u) * c``:
    u is the share of the old state that stays. Weights start Xavier-uniform, the bias of the gates at 1, of c at 0.
    """

    def __init__(self, numbers: int, hidden: int) -> None:
        super().__init__()
        self.gates = nn.Linear(numbers + hidden, 2 * hidden)
        self.candidate = nn.Linear(numbers + hidden, hidden)
        for layer, start in ((self.gates, 1.0), (self.candidate, 0.0)):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.constant_(layer.bias, start)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        """The next state."""
        r, u = self.gates(torch.cat([x, state], -1)).sigmoid().chunk(2, -1)
        c = self.candidate(torch.cat([x, r * state], -1)).tanh()
        after: Tensor = u * state + (1 - u) * c
        return after


class OriginalBiGru(nn.ModuleList):
    """Layers of two :class:`OriginalGruCell`, one from a clip's first frame on and one from its last.

    Each layer reads both directions of the one below; the forward one's state stands first.
    """

    def __init__(self, numbers: int, hidden: int, layers: int) -> None:
        sizes = [numbers, *[2 * hidden] * (layers - 1)]
        super().__init__(nn.ModuleList(OriginalGruCell(size, hidden) for _ in range(2)) for size in sizes)

    def forward(self, frames: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """(N, T, C) and (N, T) bool -> (N, T, 2H) states of the last layer, and (N, 2H) its two final states.

        A frame that is not valid leaves the state as it is; its own states are zeros.
        """
        x, last = frames, frames.new_zeros(0)
        for pair in self:
            cells = [cell for cell in pair.children() if isinstance(cell, OriginalGruCell)]
            states, last = _both_ways(cells, x, valid)
            x = torch.cat([states[0], states[1].flip(1)], -1)
        return x, torch.cat(last.unbind(), -1)


def _both_ways(cells: list[OriginalGruCell], x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Two cells, the second from the last frame on: (2, N, T, H) states in reading order, (2, N, H) final ones."""
    clips, frames, numbers = x.shape
    rows, there = torch.stack([x, x.flip(1)]), torch.stack([valid, valid.flip(1)])[..., None]

    def weights(name: str) -> tuple[Tensor, Tensor]:
        """What a layer adds for the input of all frames (2, N, T, K), and its matrix for the state (2, H, K)."""
        layers = [getattr(cell, name) for cell in cells]
        read = [
            functional.linear(row, one.weight[:, :numbers], one.bias) for row, one in zip(rows, layers, strict=True)
        ]
        return torch.stack(read), torch.stack([one.weight[:, numbers:].T for one in layers])

    (gates, of_gates), (candidates, of_candidate) = weights("gates"), weights("candidate")
    state = x.new_zeros(2, clips, of_candidate.shape[1])
    states = []
    for frame in range(frames):
        r, u = torch.baddbmm(gates[:, :, frame], state, of_gates).sigmoid().chunk(2, -1)
        c = torch.baddbmm(candidates[:, :, frame], r * state, of_candidate).tanh()
        state = torch.where(there[:, :, frame], u * state + (1 - u) * c, state)
        states.append(state)
    return torch.stack(states, 2) * there, state
