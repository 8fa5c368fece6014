"""MS2L: what its printed evaluation loads, what prediction counts, and what a contrast keeps as a negative."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from sslskel import Encoder, Errata, Erratum, Noise, Shown
from sslskel.methods.common.errata import (
    CHECKED,
    apart,
    bodies,
    built,
    kinect,
    terms_of,
    train,
    views_of,
    weights_of,
)

SMALL = {"hidden": 8}
HEADS = {"width": 8, "dim": 8}


def evaluation() -> Shown:
    """An encoder that was trained, and the one that the printed commands evaluate."""
    batch = bodies()
    untrained = weights_of(built("ms2l", kinect(), SMALL, **HEADS).encoders()["joint"])
    method = built("ms2l", kinect(), SMALL, **HEADS)
    train(method, batch, range(3), 0.05)
    trained = method.encoders()["joint"]
    judged = built("ms2l", kinect(), SMALL, **HEADS).encoders()["joint"]
    load(judged, None)
    return {
        "weights of the evaluated encoder, from those before training": apart(untrained, weights_of(judged)),
        "weights of the evaluated encoder, from those that were trained": apart(
            weights_of(trained), weights_of(judged)
        ),
    }


def load(encoder: Encoder, path: Mapping[str, Tensor] | None) -> None:
    """As the release loads: nothing where no path is named, and that is the default."""
    if path is not None:
        encoder.load_state_dict(dict(path))


def visible() -> Shown:
    """Where the error of predicting zeros lies, of clips of 10 frames in 16."""
    method = built("ms2l", kinect(16), SMALL, **HEADS)
    read_out = cast(nn.Linear, next(part for name, part in method.named_modules() if name.endswith("reconstruction")))
    nn.init.zeros_(read_out.weight)
    nn.init.zeros_(read_out.bias)
    batch = bodies(frames=16, length=10)
    [view] = views_of(method, batch, Noise(7))
    squares = view.joined(2).square().mean((0, 2, 3))
    total = float(squares.sum())
    return {
        "motion term": terms_of(method, batch)["motion"],
        "mean square of all frames": total / 16,
        "share of frames that the encoder sees (%)": 100 * float(squares[:7].sum()) / total,
        "share of the 3 hidden frames (%)": 100 * float(squares[7:10].sum()) / total,
        "share of frames behind the clip (%)": 100 * float(squares[10:].sum()) / total,
    }


def itself() -> Shown:
    """NT-Xent of four perfectly separated clips with -1, and with minus infinity, on the diagonal."""
    rows = torch.eye(4)
    logits = torch.cat([rows @ rows.T, (rows @ rows.T).fill_diagonal_(-1.0)], 1) / 0.9
    without = logits.clone()
    without[:, 4:].fill_diagonal_(-math.inf)
    wanted = torch.arange(4)
    cross_entropy = nn.functional.cross_entropy
    return {
        "weight of a clip as its own negative, of the weight of another one": math.exp(-1 / 0.9),
        "loss as released": float(cross_entropy(logits, wanted)),
        "loss without the clip itself": float(cross_entropy(without, wanted)),
    }


ERRATA = Errata(
    title="MS2L (Lin et al., ACM MM 2020)",
    code="LanglandsLin/MS2L@4b666be",
    dated=CHECKED,
    entries=(
        Erratum(
            "evaluation",
            "The evaluation commands that the README prints load no weights, so that they judge a random encoder.",
            "README of the release; `weight_path` is None by default, and loading is then left out without a word.",
            "Yes: what is judged has learned nothing. Whether the paper's numbers came from these commands is not"
            " known.",
            "Protocols judge the encoder of a checkpoint; a missing one is an error.",
            evaluation,
        ),
        Erratum(
            "visible",
            "Prediction of the hidden end of a clip is scored on all frames: those that the encoder sees, and the"
            " repeated ones behind the clip, where the error is a constant.",
            "Motion loss of the release: predictions are zeroed behind the clip, then plain squared error over all 300"
            " frames.",
            "Yes: shown are the parts of the error of predicting zeros. The effect on accuracy was not measured.",
            "As released.",
            visible,
        ),
        Erratum(
            "itself",
            "In the contrast a clip stays a weak negative of itself: its own product is set to -1, not left out.",
            "NT-Xent of the release: the diagonals of products of a view with itself are -1 before the temperature"
            " of 0.9.",
            "Slightly: the two losses shown. The effect on accuracy was not measured.",
            "As released.",
            itself,
        ),
    ),
)
