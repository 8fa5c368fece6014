"""The data of a step: a view of N clips, and the terms of a loss.

Letters: N clips, P persons present, M person slots, T frames, V joints,
C coordinates.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from sslskel.api.devices import on_device

ALL_KNOWN = torch.empty(0, dtype=torch.bool)
"""``Batch.known`` where every body has all joints."""


class Batch(NamedTuple):
    """One view of N clips; one row per person PRESENT, never an empty body."""

    tracks: Tensor
    """(P, T, V, C) floating point, in the dataset's unit (metres unless it says otherwise)."""
    valid: Tensor
    """(P, T) bool, False where the person is missing or the clip was padded."""
    owner: Tensor
    """(P,) int64, sorted: the row of the clip the person belongs to, 0..N-1."""
    slot: Tensor
    """(P,) int64: which actor of its clip the person is, 0..M-1."""
    key: Tensor
    """(N,) int64 id of the clip, which keys noise. Methods, and protocols for the test part, get sealed ones: the
    same for a clip throughout a run, and useless for finding out which clip it is."""
    label: Tensor
    """(N,) int64, -1 unlabelled or withheld; a pretext method must not read it."""
    position: Tensor
    """(N,) int64: the clip's place in the training set, 0..``ClipSpec.clips``-1; -1 where it is not drawn from it."""
    known: Tensor = ALL_KNOWN
    """(P, V) bool, False for joints that the dataset of the person lacks, or (0,) where every body has all joints.
    The tracks of a joint that is not known are those of the nearest joint that is, so that they add nothing."""

    @property
    def num_clips(self) -> int:
        """N."""
        return int(self.key.shape[0])

    def present(self) -> Tensor:
        """(N,) int64: how many persons of each clip have a row."""
        # As a sum: counting looks for the largest first, and waits for a GPU to find it.
        return self.owner.new_zeros(self.num_clips).index_add(0, self.owner, torch.ones_like(self.owner))

    def lengths(self) -> Tensor:
        """(N,) int64: frames of each clip up to the last in which anyone is valid; 0 where no one ever is."""
        number = torch.arange(self.valid.shape[1], device=self.valid.device) + 1
        own = (number * self.valid).amax(1)
        return own.new_zeros(self.num_clips).scatter_reduce(0, self.owner, own, "amax")

    def to(self, *args: Any, **kwargs: Any) -> Batch:
        """Move every tensor to a device; a dtype applies to ``tracks`` alone."""
        tracks = self.tracks.to(*args, **kwargs)
        return Batch(tracks, *(t.to(tracks.device) for t in self[1:]))

    @property
    def lacks_joints(self) -> bool:
        """Whether any body lacks a joint."""
        return self.known.ndim == 2

    def unlabelled(self) -> Batch:
        """The same clips with labels of -1."""
        return self._replace(label=torch.full_like(self.label, -1))

    def placed(self, rows: Tensor) -> Batch:
        """The same clips, with their rows (N,) in the training set."""
        return self._replace(position=on_device(rows, self.key.device))

    def rows(self, some: Tensor) -> Batch:
        """The same clips with these rows, bool (P,) or ids (R,) in the order of their owners; a row may come twice."""
        known = self.known[some] if self.lacks_joints else self.known
        tracks, valid, owner, slot = self.tracks[some], self.valid[some], self.owner[some], self.slot[some]
        return Batch(tracks, valid, owner, slot, self.key, self.label, self.position, known)

    def dense(self, persons: int) -> Tensor:
        """The (N, C, T, V, M) tensor of released code, zeros for missing persons."""
        _, frames, joints, coordinates = self.tracks.shape
        out = self.tracks.new_zeros(self.num_clips, persons, frames, joints, coordinates)
        out.flatten(0, 1).index_copy_(0, self.owner * persons + self.slot, self.tracks)
        return out.permute(0, 4, 2, 3, 1)

    def joined(self, persons: int) -> Tensor:
        """(N, T, M*V, C), the rows that backbones with ``joins_persons`` take; zeros for missing persons."""
        return self.dense(persons).permute(0, 2, 4, 3, 1).flatten(2, 3)

    def joined_valid(self, persons: int) -> Tensor:
        """(N, T, M) bool that belongs to :meth:`joined`: False for absent persons and for padding."""
        out = self.valid.new_zeros(self.num_clips * persons, self.valid.shape[1])
        out.index_copy_(0, self.owner * persons + self.slot, self.valid)
        return out.reshape(self.num_clips, persons, self.valid.shape[1]).transpose(1, 2)

    def filled(self, persons: int) -> Batch:
        """The same clips with all M slots as rows; absent persons are zeros, never valid."""
        count, device = self.num_clips, self.tracks.device
        tracks = self.tracks.new_zeros(count * persons, *self.tracks.shape[1:])
        valid = self.valid.new_zeros(count * persons, self.valid.shape[1])
        row = self.owner * persons + self.slot
        known = self.known
        if self.lacks_joints:
            known = known.new_ones(count * persons, known.shape[1]).index_copy(0, row, known)
        return Batch(
            tracks.index_copy(0, row, self.tracks),
            valid.index_copy(0, row, self.valid),
            torch.arange(count, device=device).repeat_interleave(persons),
            torch.arange(persons, device=device).repeat(count),
            self.key,
            self.label,
            self.position,
            known,
        )

    @classmethod
    def from_dense(cls, dense: Tensor, key: Tensor | None = None, label: Tensor | None = None) -> Batch:
        """Keep the persons of (N, C, T, V, M) that are not zero everywhere.

        A frame is valid where any coordinate of the person is non-zero. ``key``
        defaults to 0..N-1, ``label`` to -1.
        """
        rows = dense.permute(0, 4, 2, 3, 1)
        valid = (rows != 0).flatten(3).any(-1)
        owner, slot = valid.any(-1).nonzero(as_tuple=True)
        count = dense.shape[0]
        if key is None:
            key = torch.arange(count, device=dense.device)
        if label is None:
            label = torch.full((count,), -1, dtype=torch.int64, device=dense.device)
        nowhere = torch.full((count,), -1, dtype=torch.int64, device=dense.device)
        return cls(rows[owner, slot].contiguous(), valid[owner, slot], owner, slot, key, label, nowhere)


class Term(NamedTuple):
    """A mean in the loss, as a sum and a count: ``scale * sum(total) / sum(count)``.

    ``total`` and ``count`` are scalars of this process; the engine sums both over
    all processes, so a mean over masked tokens does not depend on how clips are distributed. A loss that is not a sum
    over clips (a cross-correlation) is computed on every process from gathered features and returned with a count of
    one.
    """

    total: Tensor
    count: Tensor  # type: ignore[assignment]  # the design's word, though tuples have a method of that name
    scale: float = 1.0


class StepOutput(NamedTuple):
    """The output of a method's forward: the terms of its loss, and metrics to log."""

    terms: dict[str, Term]
    metrics: dict[str, Tensor] = {}  # noqa: RUF012 - an empty default that is never written to

    def loss(self) -> Tensor:
        """The scalar loss of this process alone (equal to the global one on one process)."""
        return torch.stack([term.scale * term.total / term.count for term in self.terms.values()]).sum()


def mean_term(values: Tensor, scale: float = 1.0) -> Term:
    """The term for the mean of values of any shape: their sum and their number, on this process.

    Half precision counts no further than 256, so both are float32 at least.
    """
    dtype = torch.promote_types(values.dtype, torch.float32)
    return Term(values.sum(dtype=dtype), values.new_full((), values.numel(), dtype=dtype), scale)
