"""HiCLR: edges that are never dropped, and the weights that its key encoder starts from."""

from __future__ import annotations

import torch
from torch import nn

from sslskel import Errata, Erratum, Shown
from sslskel.methods.common.errata import CHECKED, apart, bodies, built, kinect, output_of, terms_of, weights_of

SMALL = {"width": 4, "dim": 16}
SIZES = {"queue": 16, "dim": 8}


def edges() -> Shown:
    """Entries of the graph in each pass of the query encoder in a step."""
    method = built("hiclr", kinect(), SMALL, **SIZES)
    counts: list[int] = []

    def count(block: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        counts.append(int((inputs[1] != 0).sum()))

    method.get_submodule("contrast.query.backbone.blocks.0").register_forward_pre_hook(count)
    graph = method.get_submodule("contrast.query.backbone").get_buffer("graph")
    output_of(method, bodies())
    return {
        "entries of the graph": float((graph != 0).sum()),
        "passes of the query encoder": len(counts),
        "fewest entries in any of them": min(counts),
    }


def key() -> Shown:
    """How far the key encoder is from the query before the first step, and the loss of that step."""
    shown = {}
    for fidelity in ("released", "paper"):
        method = built("hiclr", kinect(), SMALL, **SIZES, fidelity=fidelity)
        query, follower = (method.get_submodule(f"contrast.{name}.backbone") for name in ("query", "key"))
        shown[f"largest difference of key and query, method.fidelity={fidelity}"] = apart(
            weights_of(query), weights_of(follower)
        )
        shown[f"contrast of the first step, method.fidelity={fidelity}"] = terms_of(method, bodies())["contrast"]
    return shown


ERRATA = Errata(
    title="HiCLR (Zhang et al., AAAI 2023)",
    code="JHang2020/HiCLR@49ffdf8",
    dated=CHECKED,
    entries=(
        Erratum(
            "edges",
            "Edges of the graph are never dropped, though the paper lists that among the strong augmentations.",
            "Model of the release: every call passes drop_graph=False. The demonstration takes the method that is held"
            " to recorded runs of it.",
            "Yes: one augmentation less. The effect on accuracy was not measured; the paper's chance of dropping an"
            " edge is not known here.",
            "As released, also under `method.fidelity=paper`.",
            edges,
        ),
        Erratum(
            "key",
            "The key encoder starts from weights of its own, not as a copy of the query.",
            "Training script of the release, as in AimCLR's: all weights are initialised again behind the constructor,"
            " which had copied them.",
            "Yes: other targets, until the key has followed. What is left of it after 300 epochs was not measured.",
            "As released; `method.fidelity=paper` starts from a copy.",
            key,
        ),
    ),
)
