"""What an evaluation at the size of NTU-60 computes from features, on made-up ones, for two scripts that time it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import torch

from sslskel.api.noise import Noise
from sslskel.evaluation.linear_head import LinearHead, fit_epoch, mini_batches
from sslskel.evaluation.neighbours import nearest, similarities
from sslskel.plugins.registry import BENCHMARKS

COUNTS = BENCHMARKS.get("ntu60").expected
CLIPS, TRAIN, TEST, CLASSES = COUNTS["clips"], COUNTS["xsub/train"], COUNTS["xsub/test"], 60
"""Clips of NTU-60, of the parts of its cross-subject split, and classes."""
DIM, BATCH, NEIGHBOURS, BLOCK = 256, 256, 5, 1024
"""A usual feature, clips of a step of the head, and what protocols ask of neighbours."""
ENCODED = 10
"""One of so many clips is encoded: all of them would take longer than everything else together."""


def made_features(clips: int, device: torch.device) -> torch.Tensor:
    """Features (clips, D) on a device."""
    return torch.randn(clips, DIM, device=device)


def works(known: torch.Tensor, asked: torch.Tensor) -> Mapping[str, Callable[[], object]]:
    """By name, what is computed from the features of training and test clips, (n, D) each."""

    def epoch() -> None:
        labels = torch.arange(len(known), device=known.device) % CLASSES
        head = LinearHead(DIM, CLASSES, Noise(0, 0, known.device), known.dtype).to(known.device)
        optimiser = torch.optim.SGD(head.parameters(), 0.1, momentum=0.9)
        batches = mini_batches(torch.arange(len(known), device=known.device), BATCH)
        fit_epoch(head, optimiser, known, labels, batches, [0.1] * len(batches))

    return {
        f"{NEIGHBOURS} nearest neighbours of the test part": lambda: nearest(asked, known, NEIGHBOURS),
        "similarities for retrieval, in blocks": lambda: [None for _ in similarities(asked, known, BLOCK)],
        "an epoch of a linear head on features": epoch,
    }


def test_part(clips: int) -> int:
    """Test clips of so many, in NTU-60's proportion."""
    return clips * TEST // CLIPS


def seconds(work: Callable[[], object]) -> float:
    """Processor seconds of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start
