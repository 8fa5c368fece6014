"""Encoders: from a batch to what protocols see.

Letters as in ``backbone``: N clips, P persons present, M person slots, T frames, V joints,
C coordinates, D features; T', V' what is left of T and V.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from sslskel.api.backbone import Backbone
from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.api.view import ClipSpec


class Encoder(nn.Module):
    """What protocols see. Anything with :meth:`clip` can be on the board.

    ``provides`` lists which of ``clip``, ``steps`` and ``tokens`` a subclass gives.
    """

    dim: int
    """D of :meth:`clip`."""
    spec: ClipSpec

    @property
    def provides(self) -> frozenset[str]:
        """Names of the features this encoder can give."""
        return frozenset(
            name for name in ("clip", "steps", "tokens") if getattr(type(self), name) is not getattr(Encoder, name)
        )

    @property
    def device(self) -> torch.device:
        """Where its weights are; the CPU for an encoder without any."""
        return next((p.device for p in self.parameters()), torch.device("cpu"))

    def clip(self, batch: Batch) -> Tensor:
        """One feature per clip: (N, D)."""
        raise NotImplementedError

    def steps(self, batch: Batch) -> Tensor:
        """One feature per time step: (N, T', D)."""
        raise NotImplementedError

    def tokens(self, batch: Batch) -> Tensor:
        """All features: (N, M, T', V', D), those of the empty body where a person is missing."""
        raise NotImplementedError

    def layers(self) -> list[list[nn.Parameter]]:
        """Every weight once, in stages from input to output; one stage unless a subclass says more."""
        return [list(self.parameters())]

    def set_drop_path(self, rate: float) -> bool:
        """As :meth:`Backbone.set_drop_path`; False where there is nothing to skip."""
        return False

    def bind(self, batch: Batch, noise: Noise) -> None:
        """Draw what the next training pass needs, over this batch, from ``noise``; most encoders need nothing."""

    def forward(self, dense: Tensor) -> Tensor:
        """(N, C, T, V, M) with zeros for missing persons -> (N, D)."""
        return self.clip(Batch.from_dense(dense))


def unchanged(tracks: Tensor) -> Tensor:
    """The default input transform of an encoder: none."""
    return tracks


class PooledEncoder(Encoder):
    """Any :class:`Backbone` as an encoder: features averaged over persons.

    ``empty_bodies="reference"`` averages over all M slots as released code does
    (the empty body's feature is one constant of the weights, computed once per
    call, gradients included); ``"present"`` averages over the persons present.
    ``prepare`` maps tracks (P, T, V, C) before the backbone, for instance to motion.
    """

    def __init__(
        self,
        backbone: Backbone,
        spec: ClipSpec,
        empty_bodies: Literal["reference", "present"] = "reference",
        prepare: Callable[[Tensor], Tensor] = unchanged,
    ) -> None:
        super().__init__()
        self.backbone, self.spec, self.dim = backbone, spec, backbone.dim
        self.empty_bodies = empty_bodies
        self.prepare = prepare

    def layers(self) -> list[list[nn.Parameter]]:
        """The backbone's."""
        return self.backbone.layers()

    def set_drop_path(self, rate: float) -> bool:
        """The backbone's."""
        return self.backbone.set_drop_path(rate)

    def bind(self, batch: Batch, noise: Noise) -> None:
        """Bind the backbone to the rows that it will see: clips, or persons and the empty body after them."""
        count, clips = batch.num_clips, torch.arange(batch.num_clips, device=batch.key.device)
        if self.backbone.joins_persons:
            batch = batch._replace(owner=clips, slot=torch.zeros_like(clips))
        elif self._misses_persons(batch, self.spec.persons):
            batch = batch._replace(
                owner=torch.cat([batch.owner, clips.new_full((1,), count)]),
                slot=torch.cat([batch.slot, clips.new_zeros(1)]),
                key=torch.cat([batch.key, batch.key.new_zeros(1)]),
            )
        self.backbone.bind(noise.on(batch))

    def _misses_persons(self, batch: Batch, persons: int) -> bool:
        """Whether a pass over this batch computes the empty body too."""
        return self.empty_bodies == "reference" and batch.num_clips * persons > batch.tracks.shape[0]

    def _features(self, batch: Batch, persons: int) -> tuple[Tensor, Tensor | None]:
        """Features of the present rows (P, T', V', D), and of the empty body (T', V', D) if any is missing."""
        if self.backbone.joins_persons:
            return self.backbone(self.prepare(batch.joined(self.spec.persons))), None
        tracks = batch.tracks
        if self._misses_persons(batch, persons):
            tracks = (
                torch.cat([tracks, torch.zeros_like(tracks[:1])])
                if len(tracks)
                else tracks.new_zeros(1, *tracks.shape[1:])
            )
            features = self.backbone(self.prepare(tracks))
            return features[:-1], features[-1]
        return self.backbone(self.prepare(tracks)), None

    def _over_persons(self, rows: Tensor, empty: Tensor | None, batch: Batch, persons: int) -> Tensor:
        """Mean of per-person rows (P, ...) over the persons of each clip: (N, ...)."""
        if self.backbone.joins_persons:
            return rows
        count = batch.num_clips
        total = rows.new_zeros(count, *rows.shape[1:]).index_add(0, batch.owner, rows)
        present = torch.bincount(batch.owner, minlength=count).to(rows.dtype)
        present = present.reshape(-1, *[1] * (rows.ndim - 1))
        if self.empty_bodies == "present":
            return total / present.clamp(min=1)
        if empty is not None:
            total = total + (persons - present) * empty
        return total / persons

    def _pooled(self, batch: Batch, persons: int) -> Tensor:
        features, empty = self._features(batch, persons)
        constant = None if empty is None else self.backbone.pool(empty[None])[0]
        return self._over_persons(self.backbone.pool(features), constant, batch, persons)

    def clip(self, batch: Batch) -> Tensor:
        return self._pooled(batch, self.spec.persons)

    def forward(self, dense: Tensor) -> Tensor:
        """(N, C, T, V, M) -> (N, D), averaged over the M slots given, whatever ``spec.persons`` says."""
        return self._pooled(Batch.from_dense(dense), dense.shape[-1])

    def steps(self, batch: Batch) -> Tensor:
        features, empty = self._features(batch, self.spec.persons)
        return self._over_persons(features.mean(2), None if empty is None else empty.mean(1), batch, self.spec.persons)

    def tokens(self, batch: Batch) -> Tensor:
        features, empty = self._features(batch, self.spec.persons)
        if self.backbone.joins_persons:
            return features[:, None]
        shape = (batch.num_clips, self.spec.persons, *features.shape[1:])
        out = features.new_zeros(shape) if empty is None else empty.expand(shape).clone()
        return out.index_put((batch.owner, batch.slot), features)
