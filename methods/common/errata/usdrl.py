"""USDRL: the frames that its linear head is trained on."""

from __future__ import annotations

import torch

from sslskel import Errata, Erratum, Shown
from sslskel.methods.common.errata import CHECKED


def frames() -> Shown:
    """Frames of 100 that are ever read in 200 epochs with either lower bound of the crop."""
    shown = {}
    random = torch.Generator().manual_seed(0)
    for low in (0.1, 0.5):
        seen = torch.zeros(100, dtype=torch.bool)
        for _ in range(200):
            if low == 0.1:
                length = int(100 * (low + (1 - low) * float(torch.rand((), generator=random))))
                begin = int(torch.randint(100 - length + 1, (), generator=random))
            else:
                length, begin = int(100 * low), int((1 - low) * 100 / 2)
            seen[begin : begin + length] = True
        shown[f"frames of 100 that are ever read, lower bound {low}"] = float(seen.sum())
    return shown


ERRATA = Errata(
    title="USDRL (AAAI 2025)",
    code="wengwanjiang/USDRL@7e83bb6",
    dated=CHECKED,
    entries=(
        Erratum(
            "frames",
            "On PKU-MMD II the linear head is trained on the middle half of every clip alone.",
            "Feeder of the release: crops are random where their lower bound is 0.1, and the options say 0.5, so that"
            " the branch of the centre crop is taken.",
            "Yes: half of each clip is never seen. The effect on accuracy was not measured.",
            "The demonstration writes the released arithmetic out.",
            frames,
        ),
    ),
)
