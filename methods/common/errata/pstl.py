"""PSTL: draws that are the same for a batch, and joints that are drawn twice."""

from __future__ import annotations

import torch

from sslskel import NTU25, Errata, Erratum, Shown
from sslskel.api.noise import Noise
from sslskel.methods.common.errata import CHECKED, bodies, built, kinect, views_of

SMALL = {"width": 4, "dim": 16}
SIZES = {"width": 16, "mask_frames": 2}


def batch() -> Shown:
    """The same clip twice in a batch, behind the augmentations."""
    rows = bodies(1).dense(2).repeat(2, 1, 1, 1, 1)
    shown = {}
    for fidelity in ("released", "paper"):
        method = built("pstl", kinect(), SMALL, **SIZES, fidelity=fidelity)
        first, second = views_of(method, type(bodies()).from_dense(rows), Noise(7))[0].dense(2)
        shown[f"difference of two equal clips, method.fidelity={fidelity}"] = float((first - second).abs().max())
    return shown


def twice() -> Shown:
    """Joints that 8 draws hit, where a joint stands in the list as often as bones meet in it."""
    ends = [end for joint, parent in enumerate(NTU25.parents) if parent >= 0 for end in (joint, parent)]
    random = torch.Generator().manual_seed(0)
    counts = [len({ends[at] for at in torch.randperm(len(ends), generator=random)[:8].tolist()}) for _ in range(1000)]
    return {
        "joints that 8 draws leave out, mean of 1000": sum(counts) / len(counts),
        "fewest": min(counts),
        "most": max(counts),
    }


ERRATA = Errata(
    title="PSTL (Zhou et al., AAAI 2023)",
    code="the released code, as recorded for the tests",
    dated=CHECKED,
    entries=(
        Erratum(
            "batch",
            "Augmentations are drawn once for all clips of a step.",
            "Augmentations of the release: shear, shift, rotation, flip and masks have one draw per batch.",
            "Yes: clips of a step are not augmented apart. The effect on accuracy was not measured.",
            "As released; `method.fidelity=paper` draws for each clip.",
            batch,
        ),
        Erratum(
            "twice",
            "A joint can be drawn twice, so that fewer joints go than the option says.",
            "Spatial mask of the release: draws from a list in which a joint stands as often as bones meet in it.",
            "Yes: mostly fewer than 8 joints go. The effect on accuracy was not measured.",
            "As released; `method.fidelity=paper` leaves out as many as the option says.",
            twice,
        ),
    ),
)
