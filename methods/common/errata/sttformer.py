"""STTFormer: what its positions say."""

from __future__ import annotations

import torch

from sslskel import Errata, Erratum, Shown
from sslskel.methods.common.errata import CHECKED, apart, bodies, kinect, seeded


def tuples() -> Shown:
    """Features of a clip whose tuples are in another order, put back in order, with and without convolution."""
    backbone = seeded("sttformer", kinect(30), width=8, channels=[8, 8]).eval()
    tracks, shown = bodies(2, 30).tracks, {}
    order = torch.tensor([3, 0, 4, 1, 2])
    mixed = tracks.reshape(4, 5, 6, 25, 3)[:, order].flatten(1, 2)
    for name in ("with the convolution over tuples", "with its neighbours set to 0"):
        if "neighbours" in name:
            for part, value in backbone.named_parameters():
                if part.endswith("over_tuples.0.weight"):
                    value.data[:, :, [0, 2]] = 0
        first, second = (backbone(rows) for rows in (tracks, mixed))
        shown[f"change of a feature with the order of tuples, in standard deviations, {name}"] = apart(
            first[:, order], second
        ) / float(first.detach().std())
    return shown


ERRATA = Errata(
    title="STTFormer (Qiu et al., arXiv 2201.02849)",
    code="heleiqiu/STTFormer@b9bc6f6",
    dated=CHECKED,
    entries=(
        Erratum(
            "tuples",
            "Positions say which joint and which frame of its tuple a token is, and not which tuple it is in: only the"
            " convolution over neighbouring tuples knows of their order.",
            "Model of the release: the sinusoid counts tokens of a tuple, 0 to 149.",
            "As a choice of the network; a position for tuples was not measured.",
            "As released.",
            tuples,
        ),
    ),
)
