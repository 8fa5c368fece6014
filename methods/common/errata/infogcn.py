"""InfoGCN: a table of positions that is cancelled, a precision that cannot run, and defaults that give zeros."""

from __future__ import annotations

import torch
from torch.nn import functional

from sslskel import NTU25, Errata, Erratum, Shown
from sslskel.methods.common.errata import CHECKED, bodies


def outward() -> torch.Tensor:
    """(V, V) float64: 1 for each joint and its parent."""
    linked = torch.zeros(NTU25.num_joints, NTU25.num_joints, dtype=torch.float64)
    for joint, parent in enumerate(NTU25.parents):
        if parent >= 0:
            linked[joint, parent] = 1
    return linked


def table() -> Shown:
    """The released embedding in double precision: a linear layer, the table, a batch norm over joints and channels."""
    random = torch.Generator().manual_seed(0)
    tracks = bodies(4, 16).tracks.double()
    weight = torch.randn(3, 64, generator=random, dtype=torch.float64)
    wanted = torch.randn(len(tracks) * 16, 25 * 64, generator=random, dtype=torch.float64)

    def embedded(positions: torch.Tensor) -> torch.Tensor:
        rows = (tracks @ weight + positions).flatten(0, 1).flatten(1)
        return functional.batch_norm(rows, None, None, training=True)

    first = torch.randn(25, 64, generator=random, dtype=torch.float64).requires_grad_()
    other = 3 * torch.randn(25, 64, generator=random, dtype=torch.float64)
    out = embedded(first)
    (out * wanted).mean().backward()  # type: ignore[no-untyped-call]
    assert first.grad is not None
    return {
        "largest change of an output when the table becomes N(0, 9)": float(
            (out - embedded(other)).detach().abs().max()
        ),
        "largest gradient of the table": float(first.grad.abs().max()),
        "largest output": float(out.detach().abs().max()),
    }


def single() -> Shown:
    """The input mode applied to clips in either precision."""
    shown = {}
    for dtype in (torch.float64, torch.float32):
        try:
            made = torch.einsum(
                "vu,ptuc->ptvc", torch.eye(25, dtype=torch.float64) - outward(), bodies().tracks.to(dtype)
            )
            shown[f"clips in {dtype}"] = f"{made.dtype} comes out"
        except RuntimeError as fault:
            shown[f"clips in {dtype}"] = type(fault).__name__
    return shown


def zeros() -> Shown:
    """The largest value of an input for three modes k."""
    tracks, shown = bodies().tracks.double(), {}
    for k in (0, 1, 8):
        mode = torch.eye(25, dtype=torch.float64) - torch.linalg.matrix_power(outward(), k)
        name = {0: "the default", 1: "the README's: bones", 8: "joints"}[k]
        shown[f"largest value of an input, k={k}, {name}"] = float(
            torch.einsum("vu,ptuc->ptvc", mode, tracks).abs().max()
        )
    return shown


def means() -> Shown:
    """The term between a class and its prior, of two classes of which one is ten times as wide."""
    random = torch.Generator().manual_seed(0)
    prior = torch.randn(8, generator=random)
    noise = torch.randn(500, 8, generator=random)
    noise -= noise.mean(0)
    return {
        f"squared distance of means, standard deviation {width:g}": float(
            (prior + width * noise).mean(0).sub(prior).square().mean()
        )
        for width in (1.0, 10.0)
    }


ERRATA = Errata(
    title="InfoGCN (Chi et al., CVPR 2022)",
    code="stnoah1/infogcn@873feaa",
    dated=CHECKED,
    entries=(
        Erratum(
            "table",
            "The table of positions has no effect in training: the batch norm behind it has a mean for each joint and"
            " channel, which takes it out exactly, as it does the bias of the linear layer.",
            "Model of the release: Linear, table of 25 x 64, BatchNorm1d over persons, joints and channels.",
            "No: output and gradient change by rounding.",
            "The backbone `infogcn` has the table, and a test shows that it has no effect.",
            table,
        ),
        Erratum(
            "single",
            "Training in single precision cannot run.",
            "Model of the release: the matrix (I - A^k) is in double precision, clips are in single.",
            "No: it does not run; the scripts use half precision of apex.",
            "`infogcn` trains in single precision; recorded runs have the matrix cast, which released scripts do not.",
            single,
        ),
        Erratum(
            "zeros",
            "The default input mode k=0 gives an input of zeros.",
            "Options of the release: (I - A^k) x, and A^0 is I. The README has k=1.",
            "Yes, of whoever takes the default.",
            "`backbone.order` is this k, 1 by default; 0 is refused.",
            zeros,
        ),
        Erratum(
            "means",
            "What the paper calls maximum mean discrepancy is the squared distance of two means, which sees no other"
            " difference of distributions.",
            "Loss of the release: squared error of a class's mean in the batch and its prior.",
            "The wording alone: numbers printed are of the code's loss.",
            "The classifier of method `infogcn` takes the distance of means, as released.",
            means,
        ),
    ),
)
