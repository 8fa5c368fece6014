"""An augmentation of each person alone: one change of all places, and one of time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.api.view import ClipSpec

MOVED_JOINTS = 5


@dataclass(frozen=True)
class PlaceAndTime:
    """Augment: at even odds one of three changes of all places, then one of two of time; per person (Hi-TRS).

    Places: scaled by U(0.8, 1.2); five joints moved by U(-0.2, 0.2) along each axis, the same in all frames; a shear
    of up to 0.5. Times: each frame moves towards the next by one share U(0, 1); or up to a fifth of the frames go,
    in one piece that leaves some at both ends. Noise sites: ``change.chance``, ``change.place`` (0 to 2),
    ``change.scale``, ``change.joints``, ``change.offsets``, ``change.shear``, ``change.time`` (0 for the first),
    ``change.share``, ``change.cut``, ``change.begin``; all but the two numbers and the order U[0, 1).
    """

    probability: float = 0.5

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        if not len(batch.owner):
            return batch
        noise = noise.on(batch)
        change = noise.uniform("change.chance") < self.probability
        frames = torch.arange(batch.valid.shape[1], device=batch.valid.device)
        length = (batch.valid * (frames + 1)).amax(1)
        tracks, left = self._timed(self._placed(batch.tracks, noise), length, noise)
        left = torch.where(change, left, length)
        valid = frames < left[:, None]
        tracks = torch.where(change[:, None, None, None], tracks, batch.tracks)
        return batch._replace(tracks=tracks.masked_fill(~valid[..., None, None], 0), valid=valid)

    def _placed(self, tracks: Tensor, noise: Noise) -> Tensor:
        """The changed places of (P, T, V, 3)."""
        rows, kind = len(tracks), noise.integers("change.place", 3)[:, None, None, None]

        def drawn(site: str, reach: float, *shape: int) -> Tensor:
            draw = noise.uniform(site, shape, dtype=torch.float64)
            return ((2 * draw - 1) * reach).to(tracks.dtype)

        scaled = tracks * (1 + drawn("change.scale", 0.2))[:, None, None, None]
        joints = noise.permutation("change.joints", tracks.shape[2])[:, :MOVED_JOINTS]
        offsets = drawn("change.offsets", 0.2, MOVED_JOINTS, 3)
        moves = tracks.new_zeros(rows, tracks.shape[2], 3).scatter(
            1, joints[:, : offsets.shape[1], None].expand(-1, -1, 3), offsets[:, : joints.shape[1]]
        )
        shear = torch.eye(3, dtype=tracks.dtype, device=tracks.device).repeat(rows, 1, 1)
        beside = ~torch.eye(3, dtype=torch.bool, device=tracks.device)
        shear = shear.masked_scatter(beside.expand_as(shear), drawn("change.shear", 0.5, 6))
        sheared = (tracks[..., None, :] * shear[:, None, None]).sum(-1)
        return torch.where(kind == 0, scaled, torch.where(kind == 1, tracks + moves[:, None], sheared))

    def _timed(self, tracks: Tensor, length: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        """The changed times of (P, T, V, 3), and (P,) frames that are left."""
        rows = torch.arange(len(tracks), device=tracks.device)[:, None]
        frames = torch.arange(tracks.shape[1], device=tracks.device)
        share = noise.uniform("change.share", dtype=torch.float64).to(tracks.dtype)[:, None, None, None]
        after = tracks[rows, torch.minimum(frames + 1, (length - 1).clamp(min=0)[:, None])]
        between = tracks + share * (after - tracks)
        gone = (length * noise.uniform("change.cut", dtype=torch.float64) * 0.2).round().long()
        begin = (noise.uniform("change.begin", dtype=torch.float64) * (gone + 1)).long()
        cut = tracks[rows, (frames + begin[:, None]).clamp(max=tracks.shape[1] - 1)]
        cuts = noise.integers("change.time", 2) > 0
        return torch.where(cuts[:, None, None, None], cut, between), torch.where(cuts, length - gone, length)
