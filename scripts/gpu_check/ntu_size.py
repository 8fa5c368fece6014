"""Evaluation at the size of NTU-60: features of all clips, neighbours, retrieval, and a linear head."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from evaluation_work import NEIGHBOURS, TEST, TRAIN, made_features, works
from sections import Facts, Settings, checked

from sslskel.config.groups import EngineConfig
from sslskel.engine.device import arithmetic
from sslskel.evaluation.neighbours import nearest
from sslskel.grid.request import GridRequest
from sslskel.speed import measure_speed

SHRUNK = 100
"""By what the small form divides the parts."""


def evaluation(settings: Settings, seconds: float) -> Facts:
    """Seconds of each part on made-up features, and of encoding 56,578 clips at the rate of a few batches."""
    device, divided = settings.device, SHRUNK if settings.small else 1
    train, test = TRAIN // divided, TEST // divided
    with arithmetic(EngineConfig(device=str(device))):
        known, asked = made_features(train, device), made_features(test, device)
        taken = {name: _timed(device, work) for name, work in works(known, asked).items()}
        rows, cosines = nearest(asked, known, NEIGHBOURS)
    faults = [] if bool(torch.isfinite(cosines).all()) and int(rows.max()) < train else ["neighbours are no rows"]
    options = (f"engine.device={device}", *(SMALL if settings.small else ()))
    request = GridRequest(methods=("mamp",), preset="quick" if settings.small else "released", overrides=options)
    rate = measure_speed(request, steps=3, works=("encoding",))["encoding"]["samples_per_second"]
    return checked(
        faults,
        {
            "clips": {"train": train, "test": test},
            "seconds": taken,
            "clips a second encoded": rate,
            "seconds of encoding all": (train + test) / rate,
        },
    )


SMALL = (
    "train.batch_size=4",
    "clip.frames=16",
    "clip.min_frames=16",
    "backbone.dim=16",
    "backbone.depth=1",
    "backbone.heads=2",
    "engine.threads=1",
)


def _timed(device: torch.device, work: Callable[[], object]) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
