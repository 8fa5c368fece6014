"""SkateFormer: a relative bias that pairs the wrong tokens, and the scale of its attention."""

from __future__ import annotations

import numpy as np
import torch

from sslskel import Errata, Erratum, Shown
from sslskel.methods.common.errata import CHECKED, apart, bodies, kinect, seeded

SMALL = {"stem_dim": 16, "depths": [1, 1, 1, 1], "heads": 2}


def bias() -> Shown:
    """Which of a window's biases two tokens have: of near joints 8 x 8, and the features of either way."""
    shown: dict[str, float] = {}
    features = []
    for fidelity in ("released", "paper"):
        backbone = seeded("skateformer", kinect(16), **SMALL, fidelity=fidelity).eval()
        attention = backbone.get_submodule("stages.0.0.attention.0")
        between = attention.get_buffer("frames_between") - 7
        shown[f"biases of tokens of one frame and 8 joints, backbone.fidelity={fidelity}"] = float(
            len(set(between[:8, :8].flatten().tolist()))
        )
        shown[f"biases of tokens of one joint in 8 frames, backbone.fidelity={fidelity}"] = float(
            len(set(between[::8, ::8].flatten().tolist()))
        )
        for name, value in backbone.named_parameters():
            if name.endswith(".bias") and value.ndim == 2:
                value.data = torch.randn(value.shape, generator=torch.Generator().manual_seed(0))
        features.append(backbone(bodies(2, 16).joined(2)))
    shown["largest change of a feature between them, biases N(0, 1)"] = apart(*features)
    return shown


def scale() -> Shown:
    """The released scale, and that of the width of a head, at the released sizes of the first stage."""
    heads, width = 4, 96 // 8 // 4
    return {"scale as released, heads ** -0.5": heads**-0.5, "scale by the width of a head": width**-0.5}


def exchange() -> Shown:
    """What numpy says to the name that the exchange of bone lengths uses."""
    try:
        name = str(vars(np)["int"])
    except KeyError:
        name = "there is no such name"
    return {"numpy.int": name}


ERRATA = Errata(
    title="SkateFormer (Do and Kim, ECCV 2024)",
    code="KAIST-VICLab/SkateFormer@1f1d9ff",
    dated=CHECKED,
    entries=(
        Erratum(
            "bias",
            "In two of four kinds of attention, those over neighbouring joints, the bias for the distance of frames"
            " goes by the distance of joints.",
            "Paper, section 3.2; relative positions of the release (types 1 and 3): a token's number modulo the"
            " window's frames is taken for its frame, while frames are outside and joints inside.",
            "Yes: features as shown, from the same weights. The effect on accuracy was not measured.",
            "As released; `backbone.fidelity=paper` takes the distance of frames.",
            bias,
        ),
        Erratum(
            "scale",
            "Attention is scaled by the number of heads to the power of -1/2, not by their width.",
            "Attention of the release.",
            "Yes, by a factor of the logits; with the released sizes 0.5 stands for 0.577. The effect on accuracy was"
            " not measured.",
            "As released.",
            scale,
        ),
        Erratum(
            "exchange",
            "The exchange of bone lengths with another clip ends with an error on numpy 1.24 and later; it picks that"
            " clip from the same class, so that it reads labels.",
            "Feeder of the release: np.int, and the choice among clips of the class.",
            "No where it does not run. What it adds was not measured.",
            "There is no such augmentation here.",
            exchange,
        ),
    ),
)
