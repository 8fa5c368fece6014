"""STARS: a term of its symmetric loss that has no gradient."""

from __future__ import annotations

import inspect

import torch
from torch.nn import functional

from sslskel import Errata, Erratum, Shown
from sslskel.methods.common.errata import CHECKED, apart, bodies, built, kinect, output_of

SMALL = {"dim": 8, "depth": 2, "heads": 2}


def term() -> Shown:
    """Slopes of a predictor under both terms, of which the second passes an order that is put back without slopes."""
    random = torch.Generator().manual_seed(0)
    rows, wanted = (torch.randn(8, 16, generator=random, dtype=torch.float64) for _ in range(2))
    start = torch.randn(16, 16, generator=random, dtype=torch.float64)
    shuffle = torch.randperm(8, generator=random)
    slopes = {}
    for name in ("both terms", "as released", "first term alone"):
        weight = start.clone().requires_grad_()
        first, second = rows @ weight, (rows[shuffle] @ weight)
        if name == "as released":
            with torch.no_grad():
                second = second[shuffle.argsort()]
        else:
            second = second[shuffle.argsort()]
        labels = torch.arange(8)
        terms = [functional.cross_entropy(one @ wanted.T, labels) for one in (first, second)]
        loss = terms[0] / 2 if name == "first term alone" else sum(terms) / 2
        torch.as_tensor(loss).backward()  # type: ignore[no-untyped-call]
        assert weight.grad is not None
        slopes[name] = weight.grad
    norms = {}
    for fidelity in ("released", "paper"):
        method = built("stars_tuning", kinect(), SMALL, hidden=8, queue=16, fidelity=fidelity)
        trained = [value for value in method.parameters() if value.requires_grad]
        gradients = torch.autograd.grad(output_of(method, bodies(), copied=False).loss(), trained, allow_unused=True)
        squares = torch.stack([one.square().sum() for one in gradients if one is not None])
        norms[f"norm of the gradient, method.fidelity={fidelity}"] = float(squares.sum().sqrt())
    return {
        **norms,
        "largest slope, both terms": float(slopes["both terms"].abs().max()),
        "largest slope, as released": float(slopes["as released"].abs().max()),
        "largest difference of the released slope and half of the first term's": apart(
            slopes["as released"], slopes["first term alone"]
        ),
    }


def decay() -> Shown:
    """What AdamW takes where nothing is handed to it."""
    options = inspect.signature(torch.optim.AdamW).parameters
    return {
        "weight decay of the configuration, second stage": 1e-4,
        "weight decay of the configuration, third stage": 0.05,
        "weight decay where none is passed": float(options["weight_decay"].default),
    }


ERRATA = Errata(
    title="STARS (arXiv 2407.10935)",
    code="TaatiTeam/STARS@347a052",
    dated=CHECKED,
    entries=(
        Erratum(
            "term",
            "One of the two terms of the symmetric loss has no gradient: its prediction is put back in order without"
            " one.",
            "Model of the release: the un-shuffle runs under no_grad before the second loss; recorded gradients are"
            " those with the second term detached, to 1e-16.",
            "Half of the gradient, whose size AdamW mostly takes out. The effect on accuracy was not measured.",
            "As released; `method.fidelity=paper` gives both terms a gradient.",
            term,
        ),
        Erratum(
            "decay",
            "The configured weight decay is never passed to the optimiser, so that torch's default of 0.01 acts.",
            "Optimiser builder and configurations of the release (1e-4 and 0.05).",
            "Yes, slightly. The effect on accuracy was not measured.",
            "As released (`train.weight_decay` of `stars`).",
            decay,
        ),
    ),
)
