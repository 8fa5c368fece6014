"""The motion-prediction protocol: where the joints go next, by ridge regression from frozen features.

Windows over frames are in ``sslskel.evaluation.futures``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import RidgeCV
from torch import Tensor

from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.api.protocol import ClipSet, EvaluationProtocol, Outcome, Parts, ProtocolRun, Truth
from sslskel.api.view import ClipSpec
from sslskel.config.groups import require
from sslskel.errors import DataError, RunError
from sslskel.evaluation.features import clip_features, evaluating
from sslskel.evaluation.futures import ObservedView, Window, futures
from sslskel.hashing import stable_id

MILLIMETRES = 1000.0


@dataclass
class MotionPredictionConfig:
    """A second is watched and the next 400 ms are predicted: short-horizon prediction at 30 frames a second."""

    observed: int = 30
    """Raw frames that the encoder sees; fewer where a clip is shorter."""
    future: int = 12
    """Raw frames after them that are predicted."""
    ridge: list[float] = field(default_factory=lambda: [1.0, 10.0, 100.0, 1000.0, 10000.0])
    """Penalties to choose from by leave-one-out error on the training part; features have variance one."""
    encode_batch: int = 128
    """Clips that an encoder sees at a time; a matter of memory and speed only."""

    def __post_init__(self) -> None:
        for name in ("observed", "future", "encode_batch"):
            require(getattr(self, name) >= 1, f"protocol.{name} is {getattr(self, name)}; it must be at least 1")
        require(bool(self.ridge), "protocol.ridge is empty; give a penalty, for instance protocol.ridge=[100]")
        for penalty in self.ridge:
            require(0 < penalty < math.inf, f"protocol.ridge has {penalty}; a penalty must be positive")


class MotionPrediction(EvaluationProtocol[MotionPredictionConfig]):
    """Regress the displacement of every joint in every future frame from the features of the frames before.

    The first person of a clip is predicted. Features of several streams stand side by side.
    """

    Config = MotionPredictionConfig
    trains = "head"
    primary = "gain"
    reads_labels = False
    least_score_from_labels = None

    def check(self, parts: Parts) -> None:
        """Refuse what is not in metres and 3D, and clips that are too short to have a past and a future."""
        _require_millimetres(parts.test.spec)
        least = self.config.future + 1
        for part, clips in (("training", parts.train), ("test", parts.test)):
            short = int((clips.lengths < least).sum())
            if short:
                raise DataError(
                    f"{short} of {len(clips)} clips of the {part} part have fewer than {least} frames, the shortest"
                    f" {int(clips.lengths.min())}; lower protocol.future to at most {int(clips.lengths.min()) - 1}"
                )

    def evaluate(self, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> Outcome:
        """``displacement`` (R, future, V, C) float32 from the last observed frame, in the dataset's unit.

        Raises ``DataError`` for data that is not in metres and in 3D, or where no clip shows
        the first person in a future frame.
        """
        self.check(parts)
        config = self.config
        window = Window(config.observed, config.future)
        moves, known = futures(parts.train, window, config.encode_batch)
        whole = known.all(1).nonzero()[:, 0]
        if len(whole) < 2:
            raise DataError(
                f"{len(whole)} of {len(known)} training clips show the first person in all {config.future} future"
                " frames; lower protocol.future"
            )
        with evaluating(encoders):
            seen = self._features(encoders, parts.train.subset(whole), window, run, "encode training part")
            asked = self._features(encoders, parts.test, window, run, "encode test")
        predicted, penalty = regress(seen, moves[whole].flatten(1).numpy(), asked, config.ridge)
        info: dict[str, Any] = {
            "recipe": f"ridge regression, {config.observed} frames observed, {config.future} predicted",
            "selection": "leave-one-out on training clips",
            "labels": 0,
            "ridge": penalty,
            "train_clips": len(whole),
            "observed": config.observed,
            "future": config.future,
        }
        shape = (len(parts.test), *moves.shape[1:])
        return Outcome(parts.test.keys.cpu().numpy(), {"displacement": predicted.reshape(shape)}, info=info)

    def score(self, outcome: Outcome, truth: Truth) -> dict[str, float]:
        """``mpjpe_mm``, the mean distance of predicted and true joints over joints, frames and clips.

        ``still_mm`` is that of standing still in the last observed frame, and ``gain`` the share
        of it that is saved, 0 where nothing is. ``mpjpe_mm_last`` is that of the last frame.
        Frames in which the person is not seen do not count.
        """
        if truth.clips is None:
            raise RunError("motion prediction is scored against the test clips themselves, which are not given")
        window = Window(outcome.info["observed"], outcome.info["future"])
        moves, known = (table.numpy() for table in futures(truth.clips, window, self.config.encode_batch))
        place = {int(key): row for row, key in enumerate(truth.clips.keys.tolist())}
        rows = np.array([place[int(key)] for key in outcome.keys])
        moves, known = moves[rows], known[rows]
        if not known.any():
            raise DataError("no test clip shows the first person in a future frame; lower protocol.future")
        error = _distances(outcome.values["displacement"] - moves)
        still = float(_distances(moves)[known].mean())
        mean = float(error[known].mean())
        last = known[:, -1]
        return {
            "gain": max(0.0, 1 - mean / still) if still > 0 else 0.0,
            "mpjpe_mm": mean,
            "still_mm": still,
            "mpjpe_mm_last": float(error[last, -1].mean()) if last.any() else mean,
        }

    def _features(
        self, encoders: Mapping[str, Encoder], clips: ClipSet, window: Window, run: ProtocolRun, progress: str
    ) -> npt.NDArray[np.float64]:
        noise = Noise(stable_id("motion prediction", str(run.seed)))
        size = self.config.encode_batch
        features = clip_features(encoders, clips, ObservedView(window), noise, size, run, progress)
        joined: Tensor = torch.cat([*features.values()], 1)
        return joined.double().cpu().numpy()


def regress(
    seen: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64], asked: npt.NDArray[np.float64], ridge: list[float]
) -> tuple[npt.NDArray[np.float32], float]:
    """Ridge regression of ``wanted`` (n, K) on ``seen`` (n, D), for ``asked`` (q, D): (q, K), and the penalty.

    Features are standardised by the mean and deviation of ``seen``; a constant one counts for
    nothing. One penalty for all outputs, by leave-one-out error.
    """
    mean, spread = seen.mean(0), seen.std(0)
    scale = np.where(spread > 1e-12, spread, np.inf)
    model = RidgeCV(alphas=ridge).fit((seen - mean) / scale, wanted)
    return model.predict((asked - mean) / scale).astype(np.float32), float(model.alpha_)


def _distances(moves: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """(n, F, V, C) metres -> (n, F) mean over joints of their length, millimetres."""
    lengths: npt.NDArray[np.float64] = MILLIMETRES * np.linalg.norm(moves.astype(np.float64), axis=-1).mean(-1)
    return lengths


def _require_millimetres(spec: ClipSpec) -> None:
    spec.require_3d("motion_prediction")
    spec.require_metres("motion_prediction")
