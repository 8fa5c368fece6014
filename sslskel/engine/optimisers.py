"""torch's optimisers, without the second that their first step takes to load torch's compiler.

torch wraps some of their methods so that ``torch.compile`` leaves them alone, and the wrappers import
the compiler. Here no optimiser is ever part of a compiled graph, so the plain methods do the same.
"""

from __future__ import annotations

import inspect
import math
from typing import TypeVar, cast

import torch

OptimiserT = TypeVar("OptimiserT", bound=torch.optim.Optimizer)
EPSILON = 1e-8
"""Joins the root of Adam's second moment."""
WRAPPED = ("step", "add_param_group", "zero_grad", "state_dict", "load_state_dict")


def _unwrapped(kind: type[OptimiserT]) -> type[OptimiserT]:
    plain = {name: inspect.unwrap(getattr(kind, name)) for name in WRAPPED}
    # The wrapper of ``step`` also turned gradients off.
    return type(kind.__name__, (kind,), plain | {"step": torch.no_grad()(plain["step"])})


SGD = _unwrapped(torch.optim.SGD)
Adam = _unwrapped(torch.optim.Adam)
AdamW = _unwrapped(torch.optim.AdamW)


@torch.no_grad()
def _tensorflow_step(self: torch.optim.Adam, closure: None = None) -> None:
    """A step of Adam with an epsilon for the corrected second moment that equals EPSILON for the uncorrected one.

    So TensorFlow, and the last paragraph of section 2 of Kingma and Ba, ICLR 2015. In early steps it damps
    gradients below 1e-5.
    """
    for group in self.param_groups:
        taken = next((float(self.state[p]["step"]) for p in group["params"] if self.state.get(p)), 0.0)
        group["eps"] = EPSILON / math.sqrt(1 - group["betas"][1] ** (taken + 1))
    Adam.step(self)


AdamTensorflow = cast("type[torch.optim.Adam]", type("AdamTensorflow", (Adam,), {"step": _tensorflow_step}))
