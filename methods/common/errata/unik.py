"""UNIK, the backbone of ViA: its first block, and the frozen backbone of a linear evaluation."""

from __future__ import annotations

from sslskel import Errata, Erratum, Shown
from sslskel.methods.common.errata import CHECKED, apart, bodies, kinect, seeded, weights_of


def heads() -> Shown:
    """Heads of the first two blocks for three settings."""
    shown = {}
    for asked in (2, 4, 8):
        parts = seeded("unik", kinect(8), width=8, heads=asked).get_submodule("blocks")
        counts = [len(part.get_parameter("spatial.learned")) for part in list(parts.children())[:2]]
        shown[f"heads of block 1 for backbone.heads={asked}"] = counts[0]
        shown[f"heads of block 2 for backbone.heads={asked}"] = counts[1]
    return shown


def frozen() -> Shown:
    """Features of a backbone without gradients, before and after ten passes over other clips."""
    backbone = seeded("unik", kinect(8), width=8).requires_grad_(False)
    seen, other, shown = bodies(4, 8).joined(2), bodies(4, 8, seed=1).joined(2) + 2, {}
    for mode in ("eval", "train"):
        start, before = weights_of(backbone), backbone.eval()(seen)
        backbone.train(mode == "train")
        for _ in range(10):
            backbone(other)
        named = dict(backbone.named_parameters())
        now = weights_of(backbone)
        shown[f"largest change of a weight, {mode} mode"] = apart({n: start[n] for n in named}, now)
        shown[f"largest change of a feature, {mode} mode"] = apart(before, backbone.eval()(seen))
    return shown


ERRATA = Errata(
    title="UNIK and ViA (Yang et al., BMVC 2021; Yang et al., IJCV 2024)",
    code="YangDi666/UNIK@bf39968",
    dated=CHECKED,
    entries=(
        Erratum(
            "heads",
            "The first block always has three heads, whatever is asked for.",
            "Model of the release: the number of heads is not handed to the first block.",
            "Yes: another network than the options say. The effect on accuracy was not measured.",
            "As released.",
            heads,
        ),
        Erratum(
            "frozen",
            "Linear evaluation freezes weights and leaves the network in train mode, so that the statistics of the"
            " frozen backbone's batch norms move to the target set.",
            "Linear evaluation of the release: requires_grad is set to False, the mode is not changed.",
            "Yes: features change while the head is trained. The effect on accuracy was not measured.",
            "Frozen encoders are in eval mode in every protocol.",
            frozen,
        ),
    ),
)
