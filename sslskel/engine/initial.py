"""Weights that a new run starts from: whether they fit, and taking them over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor, nn

from sslskel.api.method import PretextMethod
from sslskel.engine.checkpoint import load_weights
from sslskel.errors import CheckpointError

Start = Callable[[PretextMethod], None]
"""Puts weights into a method that has just been built."""
SHOWN = 3


def load_whole(method: PretextMethod, path: Path) -> None:
    """All weights of a checkpoint; ``CheckpointError`` where they are of another network."""
    load_fitting(method, load_weights(path), f"the weights in {path} do not fit {type(method).__name__}")


def load_fitting(module: nn.Module, tensors: Mapping[str, Tensor], refusal: str) -> None:
    """Put tensors into a module that has exactly these names and shapes.

    Raises ``CheckpointError`` that begins with ``refusal`` and names the first few that do not fit.
    """
    own = module.state_dict()
    reasons = []
    missing = [name for name in own if name not in tensors]
    unknown = [name for name in tensors if name not in own]
    shapes = [name for name in own if name in tensors and own[name].shape != tensors[name].shape]
    if missing:
        reasons.append(f"they lack {_listed(missing)}")
    if unknown:
        reasons.append(f"it has no {_listed(unknown)}")
    if shapes:
        sizes = [f"{name} is {_shape(tensors[name])}, not {_shape(own[name])}" for name in shapes]
        reasons.append(_listed(sizes))
    if reasons:
        raise CheckpointError(f"{refusal}: {'; '.join(reasons)}")
    module.load_state_dict(dict(tensors))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a single number"
