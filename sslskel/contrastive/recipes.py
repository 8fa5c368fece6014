"""Training as the released scripts of each family do it, for ``PretextMethod.recipe``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EMPTY_BODIES_COUNT: Mapping[str, str] = {
    "missing_persons_do_not_matter": "as released, zeros of missing persons take part in batch statistics and means;"
    " method.empty_bodies=present leaves them out"
}
"""``expected_failed_checks`` of methods that feed every person slot."""

_SGD: Mapping[str, Any] = {
    "optimiser": "sgd",
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "schedule": "step",
    "decay": 0.1,
    "warmup_epochs": 0,
}

CROSSCLR: Mapping[str, Any] = {
    "train": {**_SGD, "epochs": 300, "batch_size": 128, "lr": 0.1, "milestones": [250]},
    "clip": {"frames": 50, "crop_min": 1.0, "min_frames": 1, "test_crop": 1.0, "rotation": 0.0},
    "backbone": {"dropout": 0.5},
}
"""SkeletonCLR, CrosSCLR and AimCLR on NTU: the whole clip resized to 50 frames."""

CMD: Mapping[str, Any] = {
    "train": {**_SGD, "epochs": 451, "batch_size": 64, "lr": 0.01, "milestones": [351]},
    "clip": {"frames": 64, "crop_min": 0.1, "min_frames": 64, "test_crop": 0.95, "rotation": 0.0},
}
"""CMD on NTU-60: a tenth of the clip up to all of it, at least 64 frames, resized to 64."""

ISC: Mapping[str, Any] = {**CMD, "backbone": {"input_norm": False}}
"""ISC trains as CMD does; its encoder has no norm of the input."""

PCM3: Mapping[str, Any] = {
    "train": {**_SGD, "epochs": 451, "batch_size": 128, "lr": 0.02, "milestones": [351]},
    "clip": CMD["clip"],
}
"""PCM3 on NTU-60."""

PSTL: Mapping[str, Any] = {
    "train": {
        "optimiser": "adam",
        "weight_decay": 1e-5,
        "beta2": 0.999,
        "epochs": 150,
        "batch_size": 128,
        "lr": 5e-3,
        "schedule": "cosine",
        "min_lr": 0.0,
        "warmup_epochs": 10,
    },
    "clip": CROSSCLR["clip"],
    "backbone": CROSSCLR["backbone"],
}
"""PSTL on NTU. Its rate warms up by epochs, from none at all in the first; here by steps."""
