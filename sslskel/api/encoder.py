"""Encoders map a batch to the features that protocols use.

Letters as in ``backbone``: N clips, P persons present, M person slots, T frames, V joints,
C coordinates, D features; T', V' frames and joints of a feature map.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from sslskel.api.backbone import Backbone, Features, mean_over_time, valid_steps
from sslskel.api.batch import Batch
from sslskel.api.classifier import Classifier
from sslskel.api.noise import Noise
from sslskel.api.view import ClipSpec


class Encoder(nn.Module):
    """Features for protocols. Anything with :meth:`clip` can be evaluated. ``provides`` lists which of ``clip``,
    ``steps`` and ``tokens`` a subclass has.
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
    def levels(self) -> Mapping[str, int]:
        """Names and widths of further features that protocols can read instead of :meth:`clip`; see :meth:`level`."""
        return MappingProxyType({})

    def level(self, name: str, batch: Batch) -> Tensor:
        """One feature per clip of a level of :attr:`levels`: (N, width)."""
        raise NotImplementedError

    @property
    def device(self) -> torch.device:
        """Device of its weights; the CPU for an encoder without weights."""
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

    @property
    def classifies(self) -> bool:
        """Whether it brings a head and a loss of its own to protocols that train on labels."""
        return type(self).classifier is not Encoder.classifier

    def classifier(self, classes: int) -> Classifier | None:
        """A new head and loss for so many classes, which read labels; None for the protocol's.

        For supervised references (``PretextMethod.reads_labels``). Draws initial weights from torch's global generator.
        """
        return None

    def layers(self) -> list[list[nn.Parameter]]:
        """Every weight once, in stages from input to output; one stage by default."""
        return [list(self.parameters())]

    def set_drop_path(self, rate: float) -> bool:
        """As :meth:`Backbone.set_drop_path`; False if there is nothing to skip."""
        return False

    def bind(self, batch: Batch, noise: Noise) -> None:
        """Set the randomness of the next training pass over this batch; most encoders need none."""

    def forward(self, clips: Batch | Tensor, noise: Noise | None = None) -> Tensor:
        """A batch of N clips, or (N, C, T, V, M) with zeros for missing persons -> (N, D).

        In training, pass the ``noise`` of the view, which is then bound to the encoder.
        """
        batch = clips if isinstance(clips, Batch) else Batch.from_dense(clips)
        if noise is not None:
            self.bind(batch, noise)
        return self.clip(batch)


def unchanged(tracks: Tensor) -> Tensor:
    """The default input transform of an encoder: none."""
    return tracks


class _Read(NamedTuple):
    """A pass over a batch."""

    features: Features
    """Of the rows."""
    valid: Tensor
    """Of the rows, (P, T), or (N, T, M) where persons are joined."""
    empty: Features | None
    """Of the empty body, one row, if a person is missing and counts."""


class PooledEncoder(Encoder):
    """Any :class:`Backbone` as an encoder: features averaged over persons.

    ``empty_bodies="reference"`` averages over all M slots as released code does
    (the empty body's feature is one constant of the weights, computed once per
    call, gradients included); ``"present"`` averages over the persons present.
    A backbone that reads validity never gets an empty body: features are averaged over present persons and, without a
    token, over valid steps. ``prepare`` maps tracks (P, T, V, C) before the backbone, for instance to motion.
    ``classifier`` makes the head and loss of a supervised reference, of the encoder and a number of classes.
    """

    def __init__(
        self,
        backbone: Backbone,
        spec: ClipSpec,
        empty_bodies: Literal["reference", "present"] = "reference",
        prepare: Callable[[Tensor], Tensor] = unchanged,
        classifier: Callable[[Encoder, int], Classifier] | None = None,
    ) -> None:
        super().__init__()
        self.backbone, self.spec, self.dim = backbone, spec, backbone.dim
        self.empty_bodies = empty_bodies
        self.prepare, self._classifier = prepare, classifier

    @property
    def classifies(self) -> bool:
        """Whether it was given a classifier."""
        return self._classifier is not None

    def classifier(self, classes: int) -> Classifier | None:
        """What it was given makes of it, for so many classes."""
        return None if self._classifier is None else self._classifier(self, classes)

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
        return self._counts_empty and batch.num_clips * persons > batch.tracks.shape[0]

    @property
    def _counts_empty(self) -> bool:
        return self.empty_bodies == "reference" and not self.backbone.reads_validity

    def _read(self, batch: Batch, persons: int) -> _Read:
        if self.backbone.joins_persons:
            joined, valid = batch.joined(self.spec.persons), batch.joined_valid(self.spec.persons)
            return _Read(self.backbone.read(self.prepare(joined), valid), valid, None)
        tracks, valid, known = batch.tracks, batch.valid, batch.known if batch.lacks_joints else None
        if self._misses_persons(batch, persons):
            tracks = (
                torch.cat([tracks, torch.zeros_like(tracks[:1])])
                if len(tracks)
                else tracks.new_zeros(1, *tracks.shape[1:])
            )
            known = None if known is None else torch.cat([known, known.new_ones(1, known.shape[1])])
            features = self.backbone.read(self.prepare(tracks), valid, known)
            return _Read(features.rows(slice(-1)), valid, features.rows(slice(-1, None)))
        return _Read(self.backbone.read(self.prepare(tracks), valid, known), valid, None)

    def _over_persons(self, rows: Tensor, empty: Tensor | None, batch: Batch, persons: int) -> Tensor:
        """Mean of per-person rows (P, ...) over the persons of each clip: (N, ...); ``empty`` is (1, ...)."""
        if self.backbone.joins_persons:
            return rows
        count = batch.num_clips
        total = rows.new_zeros(count, *rows.shape[1:]).index_add(0, batch.owner, rows)
        present = batch.present().to(rows.dtype)
        present = present.reshape(-1, *[1] * (rows.ndim - 1))
        if not self._counts_empty:
            return total / present.clamp(min=1)
        if empty is not None:
            total = total + (persons - present) * empty[0]
        return total / persons

    def _averaged(self, pool: Callable[[Features, Tensor], Tensor], batch: Batch, persons: int) -> Tensor:
        """Features of the rows, pooled and averaged over persons: (N, ...)."""
        read = self._read(batch, persons)
        constant = None if read.empty is None else pool(read.empty, read.valid)
        return self._over_persons(pool(read.features, read.valid), constant, batch, persons)

    def clip(self, batch: Batch) -> Tensor:
        return self._averaged(self.backbone.summary, batch, self.spec.persons)

    def forward(self, clips: Batch | Tensor, noise: Noise | None = None) -> Tensor:
        """As :meth:`Encoder.forward`; for (N, C, T, V, M) features are averaged over these M slots, regardless of
        ``spec``."""
        if isinstance(clips, Batch) or noise is not None:
            return super().forward(clips, noise)
        return self._averaged(self.backbone.summary, Batch.from_dense(clips), clips.shape[-1])

    @property
    def levels(self) -> Mapping[str, int]:
        """The backbone's; and ``joints`` and ``parts``, concatenated, if it keeps joints."""
        if not self.backbone.keeps_joints:
            return self.backbone.levels
        own = {"joints": self.spec.layout.num_joints * self.dim, "parts": len(self.spec.layout.parts) * self.dim}
        return {**{name: width for name, width in own.items() if width}, **self.backbone.levels}

    def level(self, name: str, batch: Batch) -> Tensor:
        """A level of :attr:`levels`, averaged over persons: (N, width)."""
        return self._averaged(partial(self._level, name), batch, self.spec.persons)

    def _level(self, name: str, features: Features, valid: Tensor) -> Tensor:
        if name in self.backbone.levels:
            return features.levels[name]
        joints = mean_over_time(features.of_known(), valid if self.backbone.reads_validity else None)
        if name == "parts":
            members = self.spec.layout.parts.values()
            joints = torch.stack([_mean_of(joints, list(part), features.known) for part in members], 1)
        return joints.flatten(1)

    def steps(self, batch: Batch) -> Tensor:
        if not self.backbone.reads_validity or self.backbone.joins_persons:
            return self._averaged(lambda features, _: features.over_joints(), batch, self.spec.persons)
        read = self._read(batch, self.spec.persons)
        rows, count = read.features.over_joints(), batch.num_clips
        weights = valid_steps(read.valid, rows.shape[1]).to(rows.dtype)[..., None]
        total = rows.new_zeros(count, *rows.shape[1:]).index_add(0, batch.owner, rows * weights)
        return total / weights.new_zeros(count, *weights.shape[1:]).index_add(0, batch.owner, weights).clamp(min=1)

    def tokens(self, batch: Batch) -> Tensor:
        features, _, empty = self._read(batch, self.spec.persons)
        if self.backbone.joins_persons:
            return features.grid[:, None]
        grid = features.of_known()
        shape = (batch.num_clips, self.spec.persons, *grid.shape[1:])
        out = grid.new_zeros(shape) if empty is None else empty.grid[0].expand(shape).clone()
        return out.index_put((batch.owner, batch.slot), grid)


class PreparedEncoder(Encoder):
    """An encoder behind a preparation of batches, such as one person of a clip, whatever the clip has.

    ``spec`` is what protocols read clips by; ``prepared`` makes of such batches those that ``inner`` reads, a function
    of each clip alone.
    """

    def __init__(self, inner: PooledEncoder, spec: ClipSpec, prepared: Callable[[Batch], Batch]) -> None:
        super().__init__()
        self.inner, self.spec, self.dim, self.prepared = inner, spec, inner.dim, prepared

    def layers(self) -> list[list[nn.Parameter]]:
        """The inner encoder's."""
        return self.inner.layers()

    def set_drop_path(self, rate: float) -> bool:
        """The inner encoder's."""
        return self.inner.set_drop_path(rate)

    def bind(self, batch: Batch, noise: Noise) -> None:
        self.inner.bind(self.prepared(batch), noise)

    def clip(self, batch: Batch) -> Tensor:
        return self.inner.clip(self.prepared(batch))

    def steps(self, batch: Batch) -> Tensor:
        return self.inner.steps(self.prepared(batch))


def _mean_of(joints: Tensor, part: list[int], known: Tensor | None) -> Tensor:
    """(P, V, D) -> (P, D): the mean over the known joints of a part; 0 where there is none."""
    if known is None:
        return joints[:, part].mean(1)
    weights = known[:, part].to(joints.dtype)[..., None]
    return (joints[:, part] * weights).sum(1) / weights.sum(1).clamp(min=1)
