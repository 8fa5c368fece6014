"""Evaluation at the size of NTU-60: features of all clips, neighbours, retrieval, and a linear head."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from sections import Facts, Settings, checked

from sslskel.api.noise import Noise
from sslskel.config.groups import EngineConfig
from sslskel.engine.device import arithmetic
from sslskel.evaluation.linear_head import LinearHead, fit_epoch, mini_batches
from sslskel.evaluation.neighbours import nearest, similarities
from sslskel.grid.request import GridRequest
from sslskel.plugins.registry import BENCHMARKS
from sslskel.speed import measure_speed

COUNTS = BENCHMARKS.get("ntu60").expected
TRAIN, TEST, DIM, CLASSES = COUNTS["xsub/train"], COUNTS["xsub/test"], 256, 60
"""Clips of the parts of NTU-60's cross-subject split, a usual feature, and classes."""
SHRUNK = 100
"""By what the small form divides them."""
BATCH = 256


def evaluation(settings: Settings, seconds: float) -> Facts:
    """Seconds of each part on made-up features, and of encoding 56,578 clips at the rate of a few batches."""
    device, divided = settings.device, SHRUNK if settings.small else 1
    train, test = TRAIN // divided, TEST // divided
    with arithmetic(EngineConfig(device=str(device))):
        known = torch.randn(train, DIM, device=device)
        asked = torch.randn(test, DIM, device=device)
        labels = torch.arange(train, device=device) % CLASSES
        taken = {
            "5 nearest neighbours": _timed(device, lambda: nearest(asked, known, 5)),
            "similarities in blocks": _timed(device, lambda: [None for _ in similarities(asked, known, 1024)]),
            "an epoch of a linear head": _timed(device, lambda: _epoch(known, labels)),
        }
        rows, cosines = nearest(asked, known, 5)
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


def _epoch(features: torch.Tensor, labels: torch.Tensor) -> None:
    head = LinearHead(DIM, CLASSES, Noise(0, 0, features.device), features.dtype).to(features.device)
    optimiser = torch.optim.SGD(head.parameters(), 0.1, momentum=0.9)
    batches = mini_batches(torch.arange(len(features), device=features.device), BATCH)
    fit_epoch(head, optimiser, features, labels, batches, [0.1] * len(batches))


def _timed(device: torch.device, work: Callable[[], object]) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
