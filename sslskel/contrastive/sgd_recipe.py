"""Training and clips as several families of released contrastive scripts have them, for ``PretextMethod.recipe``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WHOLE_CLIP: Mapping[str, Any] = {
    "frames": 50,
    "crop_min": 1.0,
    "min_frames": 1,
    "test_crop": 1.0,
    "rotation": 0.0,
}
"""The whole clip resized to 50 frames, as the methods on ST-GCN do."""

CROPPED_CLIP: Mapping[str, Any] = {
    "frames": 64,
    "crop_min": 0.1,
    "min_frames": 64,
    "test_crop": 0.95,
    "rotation": 0.0,
}
"""A tenth of the clip up to all of it, at least 64 frames, resized to 64, as the methods on a GRU do."""


def sgd_recipe(*, epochs: int, batch_size: int, lr: float, milestone: int) -> Mapping[str, Any]:
    """Stochastic gradient descent whose rate falls to a tenth from epoch ``milestone`` on."""
    return {
        "optimiser": "sgd",
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "schedule": "step",
        "decay": 0.1,
        "warmup_epochs": 0,
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "milestones": [milestone],
    }
