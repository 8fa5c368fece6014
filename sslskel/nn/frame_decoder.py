"""From features of every frame back to the numbers of a frame, as recurrent backbones read them."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from sslskel.nn.batch_norm import GlobalBatchNorm
from sslskel.nn.recurrence import side_by_side


class FrameDecoder(nn.Module):
    """Two linear layers with a norm over clips and frames, a recurrent net of two layers, one linear layer (PCM3).

    :meth:`enter` ends behind the norm; what is behind it treats every clip by itself, so that
    several passes can go through it together.
    """

    def __init__(self, dim: int, width: int, numbers: int) -> None:
        super().__init__()
        self.first, self.norm, self.second = nn.Linear(dim, width), GlobalBatchNorm(width), nn.Linear(width, width)
        self.recurrent = nn.ModuleList(nn.GRU(width, width, batch_first=True) for _ in range(2))
        self.last = nn.Linear(width, numbers)

    def enter(self, features: Tensor, prompt: Tensor | None = None, *, behind_norm: bool = False) -> Tensor:
        """(N, T, D) [and (D,) added to them] -> (N, T, width), normalised over these clips.

        In front of the norm the mean takes a prompt away again; ``behind_norm`` lets it pass
        the first layer and then go around the norm.
        """
        late = prompt is not None and behind_norm
        hidden = self.first(features if prompt is None or late else features + prompt)
        hidden = self.norm(hidden.transpose(1, 2)).transpose(1, 2)
        if prompt is not None and late:
            hidden = hidden + functional.linear(prompt, self.first.weight)
        entered: Tensor = hidden
        return entered

    def forward(self, entered: Tensor) -> Tensor:
        """(N, T, width) -> (N, T, numbers)."""
        states = self.second(functional.relu(entered))
        for layer in self.recurrent:
            assert isinstance(layer, nn.GRU)
            states = side_by_side([layer], states)
        frames: Tensor = self.last(states)
        return frames
