"""torch's optimisers, without the second that their first step takes to load torch's compiler.

torch wraps some of their methods so that ``torch.compile`` leaves them alone, and the wrappers import
the compiler. Here no optimiser is ever part of a compiled graph, so the plain methods do the same.
"""

from __future__ import annotations

import inspect
from typing import TypeVar

import torch

OptimiserT = TypeVar("OptimiserT", bound=torch.optim.Optimizer)
WRAPPED = ("step", "add_param_group", "zero_grad", "state_dict", "load_state_dict")


def _unwrapped(kind: type[OptimiserT]) -> type[OptimiserT]:
    plain = {name: inspect.unwrap(getattr(kind, name)) for name in WRAPPED}
    # The wrapper of ``step`` also turned gradients off.
    return type(kind.__name__, (kind,), plain | {"step": torch.no_grad()(plain["step"])})


SGD = _unwrapped(torch.optim.SGD)
Adam = _unwrapped(torch.optim.Adam)
AdamW = _unwrapped(torch.optim.AdamW)
