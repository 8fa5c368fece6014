"""Features of frozen encoders, clip by clip: shared by every protocol that trains no encoder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from sslskel.backbone import Encoder
from sslskel.noise import Noise
from sslskel.protocol import ClipSet, ProtocolRun


@contextmanager
def frozen(encoders: Mapping[str, Encoder]) -> Iterator[None]:
    """Eval mode and no gradients inside; each module's mode is put back as it was found."""
    modes: dict[nn.Module, bool] = {m: m.training for e in encoders.values() for m in e.modules()}
    for encoder in encoders.values():
        encoder.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes.items():
            module.training = training


def clip_features(
    encoders: Mapping[str, Encoder], clips: ClipSet, run: ProtocolRun, *, epoch: int | None = None, size: int = 64
) -> Tensor:
    """(n, D) features in the run's dtype, streams side by side in order.

    ``epoch=None`` takes the test view; otherwise a training view whose draws are keyed by
    the epoch. Call it inside :func:`frozen`.
    """
    rows = []
    for encoder in encoders.values():
        view = encoder.spec.test_view if epoch is None else encoder.spec.train_view
        noise = Noise(run.seed, 0 if epoch is None else epoch, run.device)
        with run.autocast():
            parts = [encoder.clip(batch).to(run.dtype) for batch in clips.batches(view, noise, size)]
        rows.append(torch.cat(parts))
    return torch.cat(rows, dim=1)
