"""Hi-TRS: its lists of labelled clips, its pretraining on one GPU, and a last window that is short."""

from __future__ import annotations

import random

import torch

from sslskel import Errata, Erratum, Shown
from sslskel.methods.common.errata import CHECKED, apart, bodies, kinect, seeded
from sslskel.nn.windows import Windows

SMALL = {"width": 8, "heads": 2, "head_width": 4, "layers": 1}


def lists() -> Shown:
    """Positions of a list applied to two orders of the same folder."""
    folder = [f"clip {number:05d}" for number in range(40091)]
    positions = random.Random(0).sample(range(len(folder)), 420)
    other = random.Random(1).sample(folder, len(folder))
    first, second = ({listing[at] for at in positions} for listing in (folder, other))
    return {
        "share of the list called 1 % (%)": 100 * 420 / len(folder),
        "clips of 420 that one list selects in two orders of the same folder": len(first & second),
    }


def one_gpu() -> Shown:
    """What `len` of a loss says: one number per GPU where several give one each, a scalar on one."""
    shown: dict[str, float | str] = {"losses of two GPUs": len(torch.ones(2))}
    try:
        len(torch.tensor(1.0))
    except TypeError as fault:
        shown["the loss of one GPU"] = type(fault).__name__
    return shown


def short() -> Shown:
    """Features with a short last window read once and twice, and lengths that have one."""
    shown = {}
    tracks, valid = bodies(4, 24, 1).tracks, torch.ones(4, 24, dtype=torch.bool)
    for frames, stride, dilation in ((7, 7, 2), (5, 5, 1)):
        cut = Windows(frames, stride, dilation)
        name = f"windows of {frames}, stride {stride}, dilation {dilation}"
        shown[f"lengths from 19 to 300 with a short last window, {name}"] = float(
            cut.short(torch.arange(19, 301)).sum()
        )
        tokens = []
        for fidelity in ("released", "paper"):
            sizes = {"window": frames, "stride": stride, "dilation": dilation, "fidelity": fidelity}
            backbone = seeded("hierarchical", kinect(24, 1), **SMALL, **sizes).eval()
            tokens.append(backbone(tracks, valid).token)
        shown[f"change of features of clips of 24 frames, {name}"] = apart(*tokens)
    return shown


ERRATA = Errata(
    title="Hi-TRS (Chen et al., ECCV 2022)",
    code="yuxiaochen1103/Hi-TRS@ba9ffcb",
    dated=CHECKED,
    entries=(
        Erratum(
            "lists",
            "The lists of labelled clips are positions in a folder's listing, which has no fixed order, so that they"
            " select other clips on another machine; the list called 1 % has 1.05 %.",
            "Index files of the release (420, 2,005 and 4,009 of 40,091 clips, cross-subject) and its reader, which"
            " does not sort.",
            "Yes: which clips have labels. The effect on accuracy was not measured.",
            "`semi` draws by seed and by the names of clips, the same ones everywhere.",
            lists,
        ),
        Erratum(
            "one_gpu",
            "Pretraining ends with an error on one GPU.",
            "Pretraining loop of the release: the length of the loss is taken, which has none where one GPU gives it.",
            "No: it does not run.",
            "Any number of processes trains alike.",
            one_gpu,
        ),
        Erratum(
            "short",
            "For recognition a short last window is read twice.",
            "Recognition dataset of the release; its pretraining reads such a window once.",
            "Not with the released windows, with which no clip of 19 to 300 frames has one; with others as shown.",
            "As released; `backbone.fidelity=paper` reads it once.",
            short,
        ),
    ),
)
