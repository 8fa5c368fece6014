"""Optimisers from a method's parameter groups, and their state as plain tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from sslskel.config.groups import Optimiser, TrainConfig
from sslskel.engine.optimisers import SGD, Adam, AdamTensorflow, AdamW
from sslskel.errors import CheckpointError, UsageError

FUSED = ("cpu", "cuda")
OWN_DECAY = "own_weight_decay"
"""Option of a parameter group: whether the method chose its weight decay, which then stays."""


def build_optimiser(groups: Sequence[Mapping[str, Any]], train: TrainConfig) -> torch.optim.Optimizer:
    """An optimiser over a method's groups; a group's own values win over ``train``.

    Fused kernels are used where they exist: they can skip an update by a flag on the
    device, so that a non-finite step needs no host synchronisation. Raises ``UsageError``
    where there is nothing to train.
    """
    held = [{**group, OWN_DECAY: "weight_decay" in group} for group in groups if group["params"]]
    if not held:
        raise UsageError("the method has no parameter to train; set `trains = False` on its class if that is meant")
    fused = {p.device.type for group in held for p in group["params"]} <= set(FUSED)
    if train.optimiser is Optimiser.sgd:
        sgd = SGD(
            held,
            lr=train.lr,
            momentum=train.momentum,
            weight_decay=train.weight_decay,
            nesterov=train.nesterov,
            fused=fused,
        )
        if train.momentum > 0:
            # The kernel leaves a buffer unset where it skips the first update; zeros give the same first update.
            for parameter in (p for group in held for p in group["params"]):
                sgd.state[parameter]["momentum_buffer"] = torch.zeros_like(
                    parameter, memory_format=torch.preserve_format
                )
        return sgd
    adam = {Optimiser.adam: Adam, Optimiser.adam_tensorflow: AdamTensorflow}.get(train.optimiser, AdamW)
    return adam(held, lr=train.lr, betas=(train.beta1, train.beta2), weight_decay=train.weight_decay, fused=fused)


def skips_on_device(optimiser: torch.optim.Optimizer) -> bool:
    """Whether ``step`` obeys ``found_inf``, a flag on the device; else the host must decide."""
    return bool(optimiser.defaults.get("fused"))


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every group; a group's ``lr_scale`` multiplies it (layer decay)."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)


def set_decay(optimiser: torch.optim.Optimizer, decay: float) -> None:
    """Set the weight decay of every group that has none of its own."""
    for group in optimiser.param_groups:
        if not group[OWN_DECAY]:
            group["weight_decay"] = decay


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Per-parameter state, named ``<index>.<name>``; rates and options are rebuilt from the config."""
    state: dict[int, dict[str, Any]] = optimiser.state_dict()["state"]
    return {
        f"{index}.{name}": value.detach().cpu().contiguous()
        for index, values in state.items()
        for name, value in values.items()
        if isinstance(value, Tensor)
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what :func:`optimiser_tensors` gave; ``CheckpointError`` where it is for other parameters."""
    whole = optimiser.state_dict()
    count = sum(len(group["params"]) for group in whole["param_groups"])
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        if not index.isdigit() or int(index) >= count:
            raise CheckpointError(f"optimiser state is for parameter {index}, but the method has {count}")
        state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": whole["param_groups"]})
