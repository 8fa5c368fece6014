"""Clips of several prepared datasets, drawn as if they were one.

Each part reads its own memory-mapped store, so nothing is copied or held together; which
parts there are, and how their bodies are read, is decided in ``sslskel.grid.extra_data``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.devices import sent
from sslskel.api.noise import Noise
from sslskel.api.view import ViewSpec
from sslskel.data.loader import ClipSource, OuterView
from sslskel.errors import UsageError


class Mixture:
    """Sources of one frame count and number of joints, one behind the other: position 0 is the first clip of the first.

    Raises ``UsageError`` where a clip is in two parts.
    """

    def __init__(self, parts: Sequence[ClipSource]) -> None:
        self.parts = list(parts)
        counts = torch.tensor([len(part) for part in parts])
        self._ends = counts.cumsum(0)
        self._starts = self._ends - counts
        self._slots = max(part.dataset.info.persons for part in self.parts)
        self.keys = torch.cat([part.keys for part in parts])
        unique, times = torch.unique(self.keys, return_counts=True)
        if len(unique) < len(self.keys):
            at = int((self.keys == unique[times > 1][0]).nonzero()[0])
            raise UsageError(
                f"clip '{self.names(torch.tensor([at]))[0]}' is in two of the datasets that are trained on; name each"
                " dataset once"
            )

    def __len__(self) -> int:
        return int(self._ends[-1])

    def names(self, positions: Tensor | None = None) -> list[str]:
        """Names of the clips at these positions (default: all)."""
        at = torch.arange(len(self)) if positions is None else positions
        owner = self._owners(at)
        return [self.parts[part].names(at[i : i + 1] - self._starts[part])[0] for i, part in enumerate(owner.tolist())]

    def batch(self, positions: Tensor, view: ViewSpec, noise: Noise, outer: Sequence[OuterView] = ()) -> Batch:
        """One view of the clips at ``positions`` (N,), in this order, whichever parts they are in.

        A view depends on a clip's key and the noise alone, so each part draws its own.
        """
        owner = self._owners(positions)
        pieces, places = [], []
        for number in sorted(set(owner.tolist())):
            where = (owner == number).nonzero()[:, 0]
            pieces.append(self.parts[number].batch(positions[where] - self._starts[number], view, noise, outer))
            places.append(where)
        return _merged(pieces, places, len(positions), self._slots)

    def _owners(self, positions: Tensor) -> Tensor:
        if len(positions) and (int(positions.min()) < 0 or int(positions.max()) >= len(self)):
            raise UsageError(f"there are {len(self)} clips; positions are 0 to {len(self) - 1}")
        return torch.searchsorted(self._ends, positions, right=True)


def _merged(pieces: Sequence[Batch], places: Sequence[Tensor], clips: int, persons: int) -> Batch:
    """Batches as one: clip i of a piece is clip ``places[i]`` of the whole; tracks sorted by clip, then slot.

    ``persons`` is the largest number of slots.
    """
    device = pieces[0].tracks.device
    at = sent(places, device)
    owner = torch.cat([place[piece.owner] for place, piece in zip(at, pieces, strict=True)])
    slot = torch.cat([piece.slot for piece in pieces])
    order = torch.argsort(owner * persons + slot, stable=True)
    key, label = (torch.empty(clips, dtype=torch.int64, device=device) for _ in range(2))
    for place, piece in zip(at, pieces, strict=True):
        key[place], label[place] = piece.key, piece.label
    tracks, valid = (torch.cat([getattr(piece, name) for piece in pieces])[order] for name in ("tracks", "valid"))
    known = _known(pieces)
    known = known[order] if known.ndim == 2 else known
    return Batch(tracks, valid, owner[order], slot[order], key, label, torch.full_like(key, -1), known)


def _known(pieces: Sequence[Batch]) -> Tensor:
    """``Batch.known`` of all rows, piece by piece."""
    if not any(piece.lacks_joints for piece in pieces):
        return pieces[0].known
    rows = [(piece, len(piece.tracks), piece.tracks.shape[2]) for piece in pieces]
    return torch.cat([p.known if p.lacks_joints else p.valid.new_ones(n, joints) for p, n, joints in rows])
