"""ActCLR: actionlets that its released code has lost since December 2024, and cosines that are squared."""

from __future__ import annotations

import torch
from torch.nn import functional

from sslskel import Errata, Erratum, Shown
from sslskel.methods.common.errata import CHECKED, bodies, built, kinect, output_of

SMALL = {"width": 4, "dim": 16}


def actionlets() -> Shown:
    """The slope from which a mask is made, with a projector of vectors and with one of maps of size 1 x 1."""
    random = torch.Generator().manual_seed(0)
    maps = torch.randn(4, 16, 6, 25, generator=random, dtype=torch.float64)
    weight = torch.randn(8, 16, generator=random, dtype=torch.float64)
    anchor = torch.randn(8, generator=random, dtype=torch.float64)
    shown = {}
    for name, tail in (("projector of vectors (9b1b4be)", 1), ("projector of 1 x 1 maps (7c63e60)", 3)):
        y = maps.clone().requires_grad_()
        projected = y.mean((2, 3)) @ weight.T
        if tail == 3:
            projected, wanted = projected[..., None, None], anchor[:, None, None].expand(4, 8, 1, 1)
        else:
            wanted = anchor.expand(4, 8)
        functional.cosine_similarity(projected, wanted, dim=-1).sum().backward()  # type: ignore[no-untyped-call]
        assert y.grad is not None
        shown[f"largest slope of the similarity, {name}"] = float(y.grad.abs().max())
    for fidelity in ("released", "head"):
        method = built("actclr", kinect(), SMALL, queue=16, dim=8, fidelity=fidelity)
        shown[f"loss, method.fidelity={fidelity}"] = float(output_of(method, bodies()).loss().detach())
    return shown


def squares() -> Shown:
    """The shares of five neighbours for teacher and student where both have the same cosines."""
    cosines = torch.tensor([0.9, 0.3, 0.0, -0.3, -0.9])
    teacher, student = (cosines / 0.1).softmax(0), (cosines.square() / 0.1).softmax(0)
    return {
        f"share of the neighbour with cosine {float(cosines[at]):.1f}, {name} (%)": 100 * float(shares[at])
        for name, shares in (("as they are", teacher), ("squared", student))
        for at in (0, 4)
    }


ERRATA = Errata(
    title="ActCLR (Lin et al., CVPR 2023)",
    code="LanglandsLin/ActCLR@7c63e60, and 9b1b4be before it",
    dated=CHECKED,
    entries=(
        Erratum(
            "actionlets",
            "Since December 2024 the released code has no actionlets: the similarity that localises them is"
            " normalised over an axis of length 1, has no slope, and the mask is rounding noise.",
            "Commit 7c63e60 made the projector a convolution of 1 x 1; recorded at both commits, the mask is at most"
            " 2e-4 behind it, and 57 % ones before it. The paper is older than the change.",
            "Yes, of whoever takes the newer code: mixes return the strongly augmented view. The effect on accuracy was"
            " not measured.",
            "`actclr` is the code before (`method.fidelity=released`); `method.fidelity=head` is the newer one.",
            actionlets,
        ),
        Erratum(
            "squares",
            "The student's cosines are squared before they are compared, the teacher's are not: an opposite neighbour"
            " is as near as an equal one to the student.",
            "Loss of the release: squared cosines over 0.1, cosines over 0.04. Whether the paper"
            " squares is not known here.",
            "Yes, as shown at one temperature. The effect on accuracy was not measured.",
            "As released.",
            squares,
        ),
    ),
)
