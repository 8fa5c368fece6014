"""PoseC3D: two flips that are a pixel apart, and joints at the edge."""

from __future__ import annotations

from sslskel import Errata, Erratum, Shown
from sslskel.methods.common.errata import CHECKED


def flip() -> Shown:
    """Where a joint at pixel 10 of 56 goes in training, and in the mirrored copy of a test."""
    width, at = 56, 10
    pixels = list(range(width))
    return {
        "pixel of the flipped joint in training": width - at,
        "pixel of the flipped joint in test": pixels[::-1].index(at),
    }


ERRATA = Errata(
    title="PoseC3D (Duan et al., CVPR 2022)",
    code="kennymckormick/pyskl@3f6795f",
    dated=CHECKED,
    entries=(
        Erratum(
            "flip",
            "Clips are flipped one pixel apart in training and in test: x becomes W - x, and W - 1 - x.",
            "Pipelines of the release: the training flip subtracts from the width, the test copy reverses the array.",
            "Slightly: by a pixel of 56. The effect on accuracy was not measured.",
            "The backbone `posec3d` has W - x in training; `clip.test_mirrored=true` averages the same image in tests.",
            flip,
        ),
    ),
)
