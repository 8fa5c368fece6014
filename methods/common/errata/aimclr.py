"""AimCLR: its blur, its drop in time, its threshold, and the weights that its key encoder starts from."""

from __future__ import annotations

import math

import torch

from sslskel import Batch, Errata, Erratum, Fidelity, Noise, Shown
from sslskel.methods.common.errata import CHECKED, apart, bodies, built, kinect, terms_of, weights_of
from sslskel.transforms.augment_time import GaussianBlur

SMALL = {"width": 4, "dim": 16}
SIZES = {"queue": 16, "dim": 8}


def start(name: str) -> Shown:
    """How far the key encoder is from the query before the first step."""
    shown = {}
    for fidelity in ("released", "paper"):
        method = built(name, kinect(), SMALL, **SIZES, fidelity=fidelity)
        shown[f"largest difference of key and query, method.fidelity={fidelity}"] = max(
            apart(weights_of(part.get_submodule("query.backbone")), weights_of(part.get_submodule("key.backbone")))
            for _, part in method.named_modules()
            if {"query", "key"} <= {child for child, _ in part.named_children()}
        )
    return shown


def key() -> Shown:
    """How far AimCLR's key encoder is from the query before the first step."""
    return start("aimclr")


def blur() -> Shown:
    """Clips of ones, blurred: by how much they grow, over 64 draws of the width."""
    still, shown = Batch.from_dense(torch.ones(64, 3, 40, 25, 1)), {}
    for fidelity in Fidelity:
        seen = GaussianBlur(fidelity, probability=1.0)(still, Noise(0), kinect(40, 1)).tracks[:, 20]
        shown[f"largest value, method.fidelity={fidelity.value}"] = float(seen.max())
        shown[f"smallest value, method.fidelity={fidelity.value}"] = float(seen.min())
    return shown


def moments() -> Shown:
    """The drop applied to features of one person: which frames lose all joints, and which only some."""
    maps = torch.randn(1, 12, 25, 8, generator=torch.Generator().manual_seed(0))
    squared = (maps - maps.mean((1, 2), keepdim=True)).square()
    spread = squared.sum((1, 2), keepdim=True) / (12 * 25 - 1)
    attention = (squared / (4 * (spread + 1e-4)) + 0.5).sigmoid()
    dropped = attention >= 0.7
    frames = dropped.flatten(2).float().mean(2)[0]
    losses = []
    for each in (True, False):
        method = built("aimclr", kinect(), SMALL, **SIZES, fidelity="paper")
        vars(method)["released"] = each
        losses.append(terms_of(method, bodies())["dropped"])
    return {
        "values of 2,400 that are dropped": float(dropped.sum()),
        "frames of 12 that are dropped whole": float((frames == 1).sum()),
        "frames of 12 that lose some values": float(((frames > 0) & (frames < 1)).sum()),
        "loss of the dropped view, single values": losses[0],
        "loss of the dropped view, whole frames": losses[1],
    }


def threshold() -> Shown:
    """The share that stays of values of three spreads, whose keep_prob is 0.7 for all."""
    shown = {}
    random = torch.Generator().manual_seed(0)
    for name, maps in (
        ("normal values", torch.randn(1, 300, generator=random)),
        ("uniform values", torch.rand(1, 300, generator=random)),
        ("one value of 300 apart", torch.cat([torch.zeros(1, 299), torch.ones(1, 1)], 1)),
    ):
        squared = (maps - maps.mean()).square()
        attention = (squared / (4 * (squared.sum() / 299 + 1e-4)) + 0.5).sigmoid()
        shown[f"values that stay, {name} (%)"] = 100 * float((attention < 0.7).float().mean())
    return shown


def subset() -> Shown:
    """Labelled clips of classes of some sizes at 1 %."""
    return {
        f"labelled clips of {count} at 1 %, {name}": chosen
        for count in (18, 32, 50, 150)
        for name, chosen in (
            ("as released", round(0.01 * count)),
            ("halves rounded up", math.floor(0.01 * count + 0.5)),
        )
    }


ERRATA = Errata(
    title="AimCLR (Guo et al., AAAI 2022)",
    code="Levigty/AimCLR, as recorded for the tests",
    dated=CHECKED,
    entries=(
        Erratum(
            "key",
            "The key encoder starts from weights of its own, not as a copy of the query.",
            "Training script of the release: all weights are initialised again behind the constructor, which had"
            " copied them. SkeletonCLR and CrosSCLR in it, and CrosSCLR's own release, do the same.",
            "Yes: other targets, until the key has followed. Here short trainings learned next to nothing so"
            " (docs/decisions/12-small-presets.md); what is left of it after 300 epochs was not measured.",
            "As released; `method.fidelity=paper`, which the presets `cpu` and `quick` take, starts from a copy.",
            key,
        ),
        Erratum(
            "blur",
            "The blur does not divide by the sum of its weights, so that it enlarges a clip up to five times.",
            "Augmentations of the release: 15 weights exp(-i^2 / 2 s^2) as they are, s from 0.1 to 2.",
            "Yes: the values shown are of clips of ones. The effect on accuracy was not measured.",
            "As released; `method.fidelity=paper` divides.",
            blur,
        ),
        Erratum(
            "moments",
            "The drop in time drops single values, not frames.",
            "The name, a drop in time, against the release, whose mask has an entry for each value of a feature map.",
            "Yes: the losses shown, from the same weights and views. The effect on accuracy was not measured.",
            "As released; `method.fidelity=paper` drops whole frames.",
            moments,
        ),
        Erratum(
            "threshold",
            "The option keep_prob is a threshold of attention, not a probability to keep: what stays depends on the"
            " values.",
            "Release: values whose attention is at least keep_prob (0.7) are dropped; nothing is drawn.",
            "Not by itself: the name says something else than the code does.",
            "As released; the option is called `method.drop_above`.",
            threshold,
        ),
        Erratum(
            "subset",
            "Classes of up to 50 clips have no labelled clip at 1 %: halves are rounded to even, and nothing is said.",
            "Semi-supervised lists of the family: round(share * clips) for each class, by Python's round.",
            "On small data alone: NTU RGB+D has more clips in a class. Not measured.",
            "Halves are rounded up, and a class that is left without a clip is an error that names a share that works.",
            subset,
        ),
    ),
)
