"""MacDiff: constants that clips of PKU-MMD II are measured by."""

from __future__ import annotations

import torch

from sslskel import CentreCrop, Errata, Erratum, Noise, RandomCrop, Shown
from sslskel.methods.common.errata import CHECKED, bodies

MEAN = {"NTU": (-0.0058, -0.1333, -0.0246), "PKU-MMD II": (-0.0459, -0.0680, 1.3642)}
VARIANCE = {"NTU": (0.0206, 0.0805, 0.0218), "PKU-MMD II": (0.2356, 0.2351, 1.9492)}


def constants() -> Shown:
    """The mean and standard deviation of coordinates of PKU-MMD II behind either standardisation."""
    shown = {}
    for data in ("PKU-MMD II", "NTU"):
        for axis, name in enumerate("xyz"):
            scale = VARIANCE[data][axis] ** 0.5
            centre = (MEAN["PKU-MMD II"][axis] - MEAN[data][axis]) / scale
            shown[f"mean of {name}, constants of {data}"] = centre
            shown[f"standard deviation of {name}, constants of {data}"] = VARIANCE["PKU-MMD II"][axis] ** 0.5 / scale
    return shown


def crops() -> Shown:
    """Frames of a test clip of 200 that two evaluations begin with."""
    lengths = torch.full((50,), 200)
    shown: dict[str, float] = {}
    for name, sample in (("as released", RandomCrop(0.9, 0.95)), ("here", CentreCrop())):
        starts = [sample(lengths, 120, Noise(run).on(bodies(50, 2, 1)))[:, 0].floor() for run in (1, 2)]
        shown[f"test clips of 50 that two evaluations begin at another frame, {name}"] = float(
            (starts[0] != starts[1]).sum()
        )
    return shown


ERRATA = Errata(
    title="MacDiff (Wu et al., ECCV 2024)",
    code="Wenrui-Shen/MacDiff, commits of the author, 0aafec2 to 692888f",
    dated=CHECKED,
    entries=(
        Erratum(
            "constants",
            "On PKU-MMD II the encoder is pretrained on clips standardised by their own mean and variance, and judged"
            " on clips standardised by those of NTU.",
            "Configurations of the release for PKU-MMD II, pretraining and linear.",
            "Yes: inputs are shifted by up to nine standard deviations. Which constants made the printed numbers is"
            " not known, and the effect on accuracy was not measured.",
            "`macdiff` keeps the constants of its pretraining with the encoder's weights, for every use of it.",
            constants,
        ),
        Erratum(
            "crops",
            "On NTU RGB+D 60, cross-subject, fine-tuned networks are tested on random crops of 90 to 95 % of a clip.",
            "Configuration of the release: its interval of test crops has two ends, which the feeder takes as those of"
            " a draw.",
            "Yes: a test score depends on draws. How much was not measured.",
            "Test clips are read by their middle 95 %, without chance.",
            crops,
        ),
    ),
)
