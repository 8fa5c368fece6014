"""Skeleton2vec: where its decoder puts visible tokens."""

from __future__ import annotations

import torch

from sslskel import Errata, Erratum, Shown
from sslskel.methods.common.errata import CHECKED


def scramble() -> Shown:
    """Segments of 30 in which the decoder has a visible token, of 2 visible joints in each of 30 segments."""
    random = torch.Generator().manual_seed(0)
    order = torch.rand(30, 25, generator=random).argsort(1)
    place = torch.arange(30)[:, None].expand(30, 25)
    token = torch.full((30, 25), -1).scatter(1, order[:, :2], place[:, :2])
    visible, back = token[token >= 0], order.argsort(1)
    row = torch.cat([visible, torch.full((750 - len(visible),), -1)]).reshape(30, 25).gather(1, back)
    inside = torch.cat([visible.reshape(30, 2), torch.full((30, 23), -1)], 1).gather(1, back)
    shown: dict[str, float] = {"visible tokens": len(visible)}
    for name, laid in (("as released", row), ("each in its segment", inside)):
        shown[f"segments with a visible token, {name}"] = float((laid >= 0).any(1).sum())
        shown[f"visible tokens in their own segment, {name}"] = float(((laid == place) & (laid >= 0)).sum())
    return shown


ERRATA = Errata(
    title="Skeleton2vec (arXiv 2401.00921)",
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
            "The demonstration writes the released arithmetic out.",
            scramble,
        ),
    ),
)
