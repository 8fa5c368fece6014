"""The sanity line of every board: the resized coordinates themselves, without a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from torch import Tensor

from sslskel import Batch, BuildBackbone, ClipSpec, Encoder, MethodCard, Noise, PretextMethod, Progress


@dataclass
class RawFeaturesConfig:
    """No options: the clip's view determines the features."""


class RawEncoder(Encoder):
    """Coordinates relative to each person's own centre joint, frame by frame, laid side by side.

    D = M*T*V*C; a missing person, or a frame without one, is zeros.
    """

    def __init__(self, clip: ClipSpec) -> None:
        super().__init__()
        self.spec = clip
        self.dim = clip.persons * clip.frames * clip.layout.num_joints * clip.coordinates

    def _centred(self, batch: Batch) -> Tensor:
        """(N, M, T, V, C) in the dataset's unit."""
        centre = self.spec.layout.centre
        rows = batch.tracks - batch.tracks[:, :, centre : centre + 1]
        return batch._replace(tracks=rows).dense(self.spec.persons).permute(0, 4, 2, 3, 1)

    def clip(self, batch: Batch) -> Tensor:
        return self._centred(batch).flatten(1)

    def steps(self, batch: Batch) -> Tensor:
        return self._centred(batch).transpose(1, 2).flatten(2)


class RawFeatures(PretextMethod[RawFeaturesConfig]):
    """No network and nothing to learn: what a classifier gets from the coordinates alone."""

    Config = RawFeaturesConfig
    card = MethodCard(family="floor")
    trains = False
    uses_backbone = False

    def __init__(self, config: RawFeaturesConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> NoReturn:
        raise RuntimeError("raw_features has no loss: a method with trains=False takes no step")

    def encoders(self) -> dict[str, Encoder]:
        """The coordinates of the clip, centred and flattened."""
        return {"joint": RawEncoder(self.clip)}
