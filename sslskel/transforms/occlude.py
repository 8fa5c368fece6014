"""What hides a part of a clip from an encoder: body parts or a stretch of frames, as augmentations of a view.

How much is hidden, each protocol decides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.api.skeleton import PARTS
from sslskel.api.view import Augment, ClipSpec, ViewSpec
from sslskel.transforms.body_parts import part_table


@dataclass(frozen=True)
class HideParts:
    """Zeros for all joints of ``count`` of the five body parts, the same ones in every frame and person of a clip.

    Noise site: ``occluded parts``. Raises ``DataError`` where the layout lacks a part.
    """

    count: int

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        member = part_table(clip.layout, batch.tracks.device)
        chosen = noise.on(batch).permutation("occluded parts", len(PARTS), per="clip")[:, : self.count]
        hidden = member[chosen].any(1)[batch.owner]
        return batch._replace(tracks=batch.tracks.masked_fill(hidden[:, None, :, None], 0))


@dataclass(frozen=True)
class HideFrames:
    """Zeros for one stretch of ``share`` of a clip's frames, which are no longer valid.

    Noise site: ``occluded frames``.
    """

    share: float

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        frames = batch.tracks.shape[1]
        length = int(self.share * frames + 0.5)
        start = noise.on(batch).integers("occluded frames", frames - length + 1, per="clip")[batch.owner]
        at = torch.arange(frames, device=batch.tracks.device) - start[:, None]
        hidden = (at >= 0) & (at < length)
        tracks = batch.tracks.masked_fill(hidden[..., None, None], 0)
        return batch._replace(tracks=tracks, valid=batch.valid & ~hidden)


@dataclass(frozen=True)
class OccludedView:
    """Makes an encoder's test view with an occluder at its end: what the network would read is hidden."""

    occluder: Augment

    def __call__(self, spec: ClipSpec) -> ViewSpec:
        return replace(spec.test_view, augment=(*spec.test_view.augment, self.occluder))
