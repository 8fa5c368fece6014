"""Clips whose persons stand side by side: each slot with batch statistics of its own, then one row per person."""

from __future__ import annotations

from torch import Tensor

from sslskel.nn.batch_norm import GlobalBatchNorm


class SlotNorm(GlobalBatchNorm):
    """Batch norm of every number of every joint of every person slot, as released codes norm their input."""

    def __init__(self, persons: int, joints: int, numbers: int) -> None:
        super().__init__(persons * joints * numbers)
        self.persons = persons

    def forward(self, tracks: Tensor) -> Tensor:
        """(N, T, M*V, C) -> (N*M, C, T, V), the slots of a clip one after the other."""
        clips, frames, tokens, numbers = tracks.shape
        normed = super().forward(tracks.permute(0, 2, 3, 1).flatten(1, 2))
        apart = normed.reshape(clips * self.persons, tokens // self.persons, numbers, frames)
        return apart.permute(0, 2, 3, 1)


def side_by_side(maps: Tensor, persons: int) -> Tensor:
    """One row per slot -> one per clip: (N*M, D, T', V) -> (N, T', M*V, D)."""
    rows, numbers, frames, joints = maps.shape
    clips = maps.reshape(rows // persons, persons, numbers, frames, joints)
    return clips.permute(0, 3, 1, 4, 2).flatten(2, 3)
