"""Whether an encoder treats every clip by itself: a sample of clips is encoded in other company.

An encoder that mixes the clips of its batch gains from the order of the test part, which no score should hold.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.api.protocol import ClipSet, ProtocolRun
from sslskel.errors import RunError

SAMPLE, ALONE = 16, 3
"""Clips that are encoded again among others, and how many of them by themselves."""
ALLOWED = 0.01
"""Largest change of a feature that counts as rounding, in its standard deviations over clips."""
ROUNDING = {torch.float64: 1e-9, torch.float32: 1e-5}
"""What rounding may change on a CPU, as a share of the largest value."""
COARSE = 1e-2
"""The same in mixed precision and on accelerators, which may shorten products."""


def check_independence(
    encoders: Mapping[str, Encoder], clips: ClipSet, needs: frozenset[str], size: int, run: ProtocolRun
) -> dict[str, float]:
    """What the record says of a sample of ``clips``, each encoded in a batch of ``size``, in another one and alone.

    All features that a protocol needs of the encoders are compared. ``change`` is the largest difference of a
    feature, in standard deviations of that feature over the sample; what rounding may be is part of the
    unit. Raises ``RunError`` where a difference is more than rounding.
    """
    first = torch.arange(min(size, len(clips)))
    chosen = first[:: max(1, len(first) // SAMPLE)][:SAMPLE]
    others = torch.arange(len(clips) - 1, -1, -1)
    others = others[~torch.isin(others, chosen)][: max(0, size - len(chosen))]
    company = [torch.cat([chosen.flip(0), others]), *chosen[:ALONE, None]]
    largest = 0.0
    for stream, encoder in encoders.items():
        for kind in sorted(needs & encoder.provides):
            usual = _encoded(encoder, kind, clips.subset(first), run)[chosen]
            among, *alone = (_encoded(encoder, kind, clips.subset(rows), run) for rows in company)
            again = torch.cat([among[: len(chosen)].flip(0), *alone])
            # By feature, since a head that standardises its features makes a faint one as loud as any.
            unit = usual.std(0, correction=0) + _rounding(run) / ALLOWED * usual.abs().max()
            difference = (again - torch.cat([usual, usual[:ALONE]])).abs().amax(0)
            change = float(torch.where(difference > 0, difference / unit, 0.0).max())
            if not change <= ALLOWED:
                raise RunError(
                    f"{kind}() of the {stream} encoder gives a clip other features in other company, by {change:.2g} of"
                    f" its standard deviation over clips where rounding changes at most {ALLOWED:g}; a score would"
                    " depend on the order of the test part, so none is recorded. Let the encoder treat every clip by"
                    " itself in eval mode, for instance by running statistics instead of those of the batch"
                )
            largest = max(largest, change)
    return {"clips": len(chosen), "change": largest}


def _encoded(encoder: Encoder, kind: str, clips: ClipSet, run: ProtocolRun) -> Tensor:
    """(n, F) float64 of all clips in one batch, in the test view."""
    [batch] = clips.batches(encoder.spec.test_view, Noise(0), len(clips))
    with torch.no_grad(), run.autocast():
        features: Tensor = getattr(encoder, kind)(batch)
    return features.flatten(1).cpu().double()


def _rounding(run: ProtocolRun) -> float:
    if run.device.type != "cpu":
        return COARSE
    with run.autocast():
        return COARSE if torch.is_autocast_enabled("cpu") else ROUNDING[run.dtype]
