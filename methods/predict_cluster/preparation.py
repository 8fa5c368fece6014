"""How Predict & Cluster prepares a clip: one person, axes of the body, each axis to [-1, 1], at most T frames."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sslskel import Batch
from sslskel.methods.predict_cluster.config import Basis
from sslskel.transforms.body_axes import Landmarks, liveliest, rescaled, strided, turned


@dataclass(frozen=True)
class Preparation:
    """Batches of any kind -> the frames that the network sees, a function of each clip alone."""

    frames: int
    basis: Basis
    rescale: bool
    landmarks: Landmarks | None
    """None for ``Basis.none``."""

    def __call__(self, batch: Batch) -> Batch:
        """One person at most of each clip, (K, T, V, C), valid frames first; a clip without a person has no row."""
        lead = liveliest(batch)
        tracks, kept, owner = batch.tracks[lead], batch.valid[lead], batch.owner[lead]
        if len(lead) and self.landmarks is not None:
            whole = kept & (tracks != 0).flatten(2).all(2)
            tracks = turned(tracks, kept, self.landmarks, mirrored=self.basis is Basis.mirrored)
            # In clips that are centred in every frame a coordinate of zero does not mean a missing joint.
            kept = torch.where(whole.any(1, keepdim=True), whole, kept)
        if len(lead) and self.rescale:
            tracks = rescaled(tracks, kept)
        tracks, kept = strided(tracks, kept, self.frames)
        return batch._replace(tracks=tracks, valid=kept, owner=owner, slot=torch.zeros_like(owner))
