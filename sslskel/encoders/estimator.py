"""A trained encoder as a transformer of scikit-learn: arrays of joints in, features out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sslskel.api.dataset import Clip, DatasetInfo, Floats, Track
from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.data.loader import ClipSource
from sslskel.data.memory import MemoryDataset
from sslskel.encoders.open import load_encoder
from sslskel.engine.device import resolve_device
from sslskel.errors import UsageError

Clips = Sequence[npt.ArrayLike] | npt.NDArray[np.generic]
"""n clips, each (T, V, C) of one person or (M, T, V, C) of several; T and M may differ from clip to clip."""


class SkeletonEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """The features of a pretrained encoder as a step of a scikit-learn pipeline; nothing is trained.

    ``checkpoint`` and ``stream`` are those of :func:`load_encoder`. Clips are arrays (T, V, C) of one person or
    (M, T, V, C) of several, or one array of all n clips. V are the joints of the encoder's layout in its order, C its
    coordinates, in its unit. A person's frame that holds NaN, or zeros alone, counts as missing. ``fps`` is the rate at
    which the clips were recorded, where the encoder reads clips at a rate of its own.

    A clip is seen once, in the test view, as by ``sslskel embed``: same frames, same features.
    """

    def __init__(
        self,
        checkpoint: Path | str,
        *,
        stream: str | None = None,
        fps: float | None = None,
        batch_size: int = 64,
        device: str = "auto",
    ) -> None:
        self.checkpoint, self.stream, self.fps = checkpoint, stream, fps
        self.batch_size, self.device = batch_size, device

    encoder_: Encoder
    """The encoder that :meth:`fit` opened."""

    def fit(self, X: Clips, y: object = None) -> SkeletonEncoder:  # noqa: N803
        """Open the encoder and check the clips; ``y`` is not read. Raises as :func:`load_encoder` and as transform."""
        self.encoder_ = load_encoder(self.checkpoint, stream=self.stream)
        self._dataset(X)
        return self

    def transform(self, X: Clips) -> Floats:  # noqa: N803
        """n clips -> (n, D) float32.

        Raises ``UsageError`` for a clip of another shape or without a person, ``DataError`` for infinite values,
        each naming the clip.
        """
        check_is_fitted(self, "encoder_")
        dataset, device = self._dataset(X), resolve_device(self.device)
        self.encoder_.to(device).eval()
        source = ClipSource(dataset, np.arange(len(dataset)), self.encoder_.spec, device=device)
        batches = source.batches(self.encoder_.spec.test_view, Noise(0, device=device), self.batch_size)
        with torch.no_grad():
            features: Floats = torch.cat([self.encoder_.clip(batch).float().cpu() for batch in batches]).numpy()
        return features

    @property
    def _n_features_out(self) -> int:
        return self.encoder_.dim

    def _dataset(self, clips: Clips) -> MemoryDataset:
        """The clips, checked, as a dataset of the encoder's own kind."""
        if not len(clips):
            raise UsageError("there are no clips to encode; give at least one")
        spec = self.encoder_.spec
        made = [_clip(clip, f"X[{at}]", self.encoder_) for at, clip in enumerate(clips)]
        info = DatasetInfo(
            "X",
            0,
            spec.layout,
            (),
            fps=spec.fps if self.fps is None else self.fps,
            unit=spec.unit,
            coordinates=spec.coordinates,
            persons=spec.persons,
        )
        return MemoryDataset(info, made)


def _clip(array: npt.ArrayLike, name: str, encoder: Encoder) -> Clip:
    """An array (T, V, C) or (M, T, V, C) as a clip; persons who are never seen are left out."""
    spec = encoder.spec
    try:
        joints: Floats = np.asarray(array, np.float32)
    except (TypeError, ValueError) as fault:
        raise UsageError(f"{name} is no array of numbers: {fault}") from fault
    if joints.ndim == 3:
        joints = joints[None]
    if joints.ndim != 4 or joints.shape[2:] != (spec.layout.num_joints, spec.coordinates) or not joints.shape[1]:
        raise UsageError(
            f"{name} has shape {joints.shape}; expected (frames, {spec.layout.num_joints}, {spec.coordinates}) for one"
            f" person or (persons, frames, {spec.layout.num_joints}, {spec.coordinates}): the encoder reads the"
            f" {spec.layout.num_joints} joints of {spec.layout.name} in {spec.coordinates}D"
        )
    if len(joints) > spec.persons:
        raise UsageError(f"{name} has {len(joints)} persons, but the encoder reads at most {spec.persons} of a clip")
    missing = np.isnan(joints).any((2, 3)) | (joints == 0).all((2, 3))
    joints = np.where(missing[..., None, None], np.float32(0), joints)
    tracks = [Track(slot, 0, joints[slot], ~missing[slot]) for slot in range(len(joints)) if not missing[slot].all()]
    if not tracks:
        raise UsageError(f"{name} has no frame with a person: every frame holds NaN, or zeros alone; leave it out")
    return Clip(name, -1, joints.shape[1], tuple(tracks))
