"""CrosSCLR: heads that are shared, and keys that stand still."""

from __future__ import annotations

import torch

from sslskel import Errata, Erratum, Noise, PretextMethod, Progress, Shown
from sslskel.methods.common.errata import CHECKED, apart, built, kinect, weights_of

SMALL = {"width": 4, "dim": 16}


def method_of(fidelity: str, cross_epoch: float) -> PretextMethod:
    """Three streams, whose queries are no longer where their keys are."""
    method = built("crossclr", kinect(), SMALL, queue=16, dim=8, fidelity=fidelity, cross_epoch=cross_epoch)
    random = torch.Generator().manual_seed(0)
    for name, value in method.named_parameters():
        if ".query." in name:
            value.data = value.data + torch.randn(value.shape, generator=random)
    return method


def keys() -> Shown:
    """How far the key encoders move at the beginning of a step of the second phase."""
    shown = {}
    for fidelity in ("released", "paper"):
        method = method_of(fidelity, 0.0)
        for stream in ("joint", "motion", "bone"):
            part = method.get_submodule(f"streams.{stream}.key.backbone")
            start = weights_of(part)
            method.on_step_start(Progress(0, 1, 2), Noise(0))
            shown[f"largest change of the key of {stream}, method.fidelity={fidelity}"] = apart(start, weights_of(part))
    return shown


def heads() -> Shown:
    """Weights of the heads, each counted once, and those that two streams have in common."""
    shown = {}
    for fidelity in ("released", "paper"):
        method = method_of(fidelity, 9.0)
        parts = [
            {id(value) for value in method.get_submodule(f"streams.{stream}.query.head").parameters()}
            for stream in ("joint", "motion")
        ]
        shown[f"tensors of joint's head, method.fidelity={fidelity}"] = len(parts[0])
        shown[f"tensors that motion's head has in common, method.fidelity={fidelity}"] = len(parts[0] & parts[1])
    return shown


def steps() -> Shown:
    """How far a key of the shared head goes towards its query in a step of the first phase, in parts of 0.001."""
    shown = {}
    for fidelity in ("released", "paper"):
        method = method_of(fidelity, 9.0)
        query, key = (method.get_parameter(f"streams.joint.{name}.head.0.weight") for name in ("query", "key"))
        before = (query - key).detach().clone()
        method.on_step_start(Progress(0, 1, 20), Noise(0))
        left = float(((query - key).detach() / before).mean())
        shown[f"share of the way in a step, in thousandths, method.fidelity={fidelity}"] = round(1000 * (1 - left), 2)
    return shown


ERRATA = Errata(
    title="CrosSCLR (Li et al., CVPR 2021)",
    code="LinguoLi/CrosSCLR, as recorded for the tests",
    dated=CHECKED,
    entries=(
        Erratum(
            "keys",
            "In the second phase the key encoders of joint and bone stand still; only that of motion follows.",
            "Release: the cross-view phase calls the momentum update of motion alone.",
            "Yes: two of three keys are those of epoch 150 until the end. The effect on accuracy was not measured.",
            "As released; `method.fidelity=paper` moves all.",
            keys,
        ),
        Erratum(
            "heads",
            "The streams share a head: those of motion and bone are two layers around that of joint.",
            "Release: heads of the second and third stream are built around the first one.",
            "Yes: another network. The effect on accuracy was not measured.",
            "As released; `method.fidelity=paper` has a head for each stream.",
            heads,
        ),
        Erratum(
            "steps",
            "In the first phase the key of the shared head follows once for each stream, three times in a step.",
            "Release: each stream's momentum update moves what it shares too.",
            "Yes, the key of the head follows three times as fast. The effect on accuracy was not measured.",
            "As released; `method.fidelity=paper` has a head for each stream.",
            steps,
        ),
    ),
)
