"""What replays of the recorded AS-CAL and MS2L share: their files, and our names of their weights."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from recorded import Recorded
from replays import Made, made
from stored_clips import dense_clip, stored
from torch import Tensor
from undrawn_clips import star

from sslskel.api.dataset import DatasetInfo
from sslskel.api.skeleton import NTU25, SkeletonLayout
from sslskel.api.view import ClipSpec
from sslskel.data.loader import ClipSource

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "golden_more"


def files(kind: str) -> list[str]:
    """Names of all recorded files of a kind; those of two seeds where there are none, whose tests are then skipped."""
    found = sorted(path.stem for path in FOLDER.glob(f"{kind}_seed*.npz"))
    return found or [f"{kind}_seed{seed}" for seed in (0, 1)]


def case_of(shared: Path, name: str) -> Recorded:
    """One recorded file; skips where this copy of the recordings lacks it."""
    path = shared / "golden_more" / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"{path.name} is not among the recorded cases")
    return Recorded(path)


def body_of(joints: int) -> SkeletonLayout:
    """The recorded body: NTU's, or one of so many joints whose centre is the second, as in released code."""
    if joints == NTU25.num_joints:
        return NTU25
    return SkeletonLayout("recorded", star(joints).joints, star(joints).parents, 1)


def ascal_name(name: str) -> str:
    """Where an array of the released AS-CAL lives in ``ascal``."""
    if name in ("queue", "pointer"):
        return f"contrast.queue.{'entries' if name == 'queue' else 'place'}"
    part, _, rest = name.rpartition("/")
    inner = re.sub(r"^bi_lstm\.", "backbone.lstm.", rest).replace("head.model.", "head.")
    return f"contrast.{part or 'query'}.{inner}"


def ascal_state(case: Recorded, prefix: str) -> dict[str, Tensor]:
    """A recorded group under our names."""
    return {ascal_name(name): value for name, value in case.group(prefix).items()}


MS2L_PARTS = {
    "encoder/": "encoder.backbone.",
    "contra_head/classifier.": "contrast_head.",
    "jigsaw_head/classifier.": "jigsaw_head.",
    "motion_head/": "motion_head.",
}
"""Beginnings of names of the released MS2L -> ours."""


def ms2l_name(name: str) -> str:
    """Where an array of the released MS2L lives in ``ms2l``."""
    [part] = [part for part in MS2L_PARTS if name.startswith(part)]
    return MS2L_PARTS[part] + name.removeprefix(part)


def ms2l_state(case: Recorded, prefix: str) -> dict[str, Tensor]:
    """A recorded group under our names."""
    return {ms2l_name(name): value for name, value in case.group(prefix).items()}


def ms2l_run(case: Recorded, **more: object) -> Made:
    """The method with the recorded sizes, and other options by name: ``method__clip_norm=1.0``."""
    config = case.config
    values = {
        "engine.device": "cpu",
        "backbone.hidden": config["hidden"] // 2,
        "method.padding": config["padding"],
        "method.hidden_share": config["mask_ratio"],
        "method.segments": config["segments"],
        "method.width": config["projector"],
        "method.dim": config["dim"],
        "method.temperature": config["temp"],
        "clip.frames": config["frames"],
        "train.batch_size": config["batch"],
        "train.epochs": config["steps"],
    }
    values |= {name.replace("__", "."): value for name, value in more.items()}
    assert config["features"] == 3 * config["joints"] * config["persons"]
    options = [f"{name}={option}" for name, option in values.items()]
    return made("ms2l", *options, body=body_of(config["joints"]), persons=config["persons"])


def ms2l_clips(
    case: Recorded, data: Tensor, spec: ClipSpec, folder: Path, labels: Sequence[int] | None = None
) -> ClipSource:
    """The recorded clips (N, C, T, V, M) without their padding, stored in a folder."""
    config = case.config
    names = tuple(f"A{number}" for number in range(config["labels"]))
    info = DatasetInfo("recorded", 1, body_of(config["joints"]), names, fps=30.0, persons=config["persons"])
    clips = [
        dense_clip(f"clip{at}", x[:, :length].permute(1, 2, 0, 3).numpy(), 0 if labels is None else labels[at])
        for at, (x, length) in enumerate(zip(data, case["in/lengths"], strict=True))
    ]
    return ClipSource(stored(folder, clips, info), np.arange(len(clips)), spec)
