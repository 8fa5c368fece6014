"""Skeleton2vec: where its decoder puts visible tokens, positions that start at zero, and targets of another person."""

from __future__ import annotations

from typing import Any

import torch

from sslskel import Errata, Erratum, Noise, PretextMethod, Shown
from sslskel.methods.common.errata import CHECKED, bodies, built, kinect

SMALL = {"dim": 8, "depth": 1, "heads": 1}
SIZES = {"decoder_dim": 8, "decoder_depth": 1, "decoder_heads": 1}


def method_of(fidelity: str, frames: int = 120, **options: object) -> PretextMethod:
    """A small method with clips of as many frames."""
    return built("skeleton2vec", kinect(frames), SMALL, **SIZES, fidelity=fidelity, **options)


def scramble() -> Shown:
    """Where the decoder has the tokens of 2 visible joints in each of 30 segments."""
    batch, shown = bodies(1, 120, 1), {}
    for fidelity in ("released", "paper"):
        method: Any = method_of(fidelity)
        seen, _, place = method.masked(Noise(0).on(batch))
        laid = place[0].reshape(30, 25)
        from_segment = torch.cat([seen[0] // 25, torch.full((750 - seen.shape[1],), -1)])[laid]
        visible = laid < seen.shape[1]
        shown[f"segments with a visible token, method.fidelity={fidelity}"] = float(visible.any(1).sum())
        own = visible & (from_segment == torch.arange(30)[:, None])
        shown[f"visible tokens of 60 in their own segment, method.fidelity={fidelity}"] = float(own.sum())
    return shown


def positions() -> Shown:
    """The largest number of the learned positions in time and of joints before training."""
    shown = {}
    for fidelity in ("released", "paper"):
        for name, value in method_of(fidelity).get_submodule("backbone").named_parameters():
            if name in ("time_table", "joint_table"):
                words = "in time" if name == "time_table" else "of joints"
                shown[f"largest number of positions {words}, method.fidelity={fidelity}"] = float(
                    value.detach().abs().max()
                )
    return shown


def persons() -> Shown:
    """Rows of predictions and of targets, of one clip with two persons and two views."""
    batch, shown = bodies(1, 120), {}
    for fidelity in ("released", "paper"):
        method: Any = method_of(fidelity, views=2)
        pairs, rows = method.pairs(batch).tolist(), method.several(batch).slot // 2
        wrong = sum(row != pair for row, pair in zip(rows.tolist(), pairs, strict=True))
        shown[f"predictions of 4 that meet the other person's target, method.fidelity={fidelity}"] = wrong
    return shown


ERRATA = Errata(
    title="Skeleton2vec (Xu et al., arXiv 2401.00921)",
    code="Ruizhuo-Xu/SKeleton2vec-code@0b3e065",
    dated=CHECKED,
    entries=(
        Erratum(
            "scramble",
            "With masks of tubes, the default, the decoder puts the visible tokens of all segments into the first"
            " three.",
            "Decoder of the release: visible tokens come first, the row is cut into frames of 25, then each frame is"
            " put in order. Recorded runs are those with this order, to 4e-7.",
            "Yes: where the decoder sees what. The effect on accuracy was not measured.",
            "As released; `method.fidelity=paper` puts each token into its segment.",
            scramble,
        ),
        Erratum(
            "positions",
            "Learned positions in time start at exactly zero.",
            "Model of the release: the initialiser is called twice on the positions of joints.",
            "Yes: another start. The effect on accuracy was not measured.",
            "As released; `method.fidelity=paper` starts both alike.",
            positions,
        ),
        Erratum(
            "persons",
            "With several masks of a clip, which is not the default, predictions of one person meet targets of the"
            " other.",
            "Model of the release: rows of predictions are clip, mask, person, and rows of targets clip, person, mask.",
            "Of clips of two persons, with more than one mask. The effect on accuracy was not measured.",
            "As released; `method.fidelity=paper` pairs each with its own.",
            persons,
        ),
    ),
)
