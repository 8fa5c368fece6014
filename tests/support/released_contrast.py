"""What replays of recorded contrastive trainings share: our state from theirs, steps, and comparisons."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from undrawn_clips import undrawn

from sslskel.api.backbone import Backbone
from sslskel.api.batch import Batch, StepOutput
from sslskel.api.method import BuildBackbone, PretextMethod, Progress
from sslskel.api.noise import Noise
from sslskel.api.skeleton import NTU25
from sslskel.api.view import ClipSpec
from sslskel.backbones.gru_stepped import GruStepped
from sslskel.backbones.st_gcn import StGcn, StGcnConfig
from sslskel.nn.gru import GruConfig

STREAM = {"": "joint", "_motion": "motion", "_bone": "bone"}
"""How released code ends a name -> our stream."""


class Case:
    """One recorded file."""

    def __init__(self, path: Path) -> None:
        self.data = dict(np.load(path, allow_pickle=False))
        self.config: dict[str, Any] = json.loads(str(self.data["config_json"]))

    def __contains__(self, name: str) -> bool:
        return name in self.data

    def tensor(self, name: str) -> Tensor:
        return torch.from_numpy(self.data[name])

    def group(self, prefix: str) -> dict[str, Tensor]:
        return {name[len(prefix) :]: self.tensor(name) for name in self.data if name.startswith(prefix)}


def clip_spec(frames: int) -> ClipSpec:
    return undrawn(NTU25, frames)


def close(ours: Tensor, theirs: Tensor, tolerance: float = 1e-5) -> None:
    """Equal within a tolerance that is scaled by the largest recorded value."""
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance * max(float(theirs.detach().abs().max()), 1e-30))


def our_gru_name(name: str) -> str:
    """Where a parameter of the released recurrent encoder lives in ``gru_stepped``."""
    match = re.fullmatch(r"encoder\.gru\.(.+)_l(\d+)(_reverse)?", name)
    return f"pairs.{match[2]}.{int(match[3] is not None)}.{match[1]}_l0" if match else name


def our_graph_name(name: str) -> str:
    """Where a parameter of the released graph encoder lives in ``st_gcn``."""
    for theirs, ours in (
        ("data_bn.", "input_norm."),
        ("edge_importance.", "importance."),
        ("st_gcn_networks.", "blocks."),
        (".gcn.conv.", ".spatial."),
        (".tcn.0.", ".before."),
        (".tcn.2.", ".temporal."),
        (".tcn.3.", ".after."),
        (".residual.", ".shortcut."),
    ):
        name = name.replace(theirs, ours)
    return name


def case_of(shared: Path, name: str) -> Case:
    """One recorded file."""
    return Case(shared / "golden_contrastive" / f"{name}.npz")


def gru(case: Case, norm: bool = True) -> BuildBackbone:
    """Builds the recorded recurrent backbone."""

    def build(clip: ClipSpec) -> Backbone:
        return GruStepped(GruConfig(case.config["hidden"], case.config["layers"], norm), clip)

    return build


def graph(case: Case) -> BuildBackbone:
    """Builds the recorded graph backbone."""

    def build(clip: ClipSpec) -> Backbone:
        return StGcn(StGcnConfig(width=case.config["hidden_channels"], dim=case.config["hidden_dim"]), clip)

    return build


def tower_name(name: str) -> str | None:
    """A released encoder's parameter in ours; None for what we hold elsewhere."""
    if name == "A":
        return None
    if name.startswith("fc."):
        return f"head.{name[3:]}"
    return f"backbone.{our_graph_name(our_gru_name(name))}"


def ours(name: str, place: Callable[[str], str]) -> str | None:
    """Our name of a released state array; ``place`` gives a stream's prefix, for instance ``contrast.``."""
    head, _, rest = name.partition(".")
    for released, part in (("encoder_q", "query."), ("encoder_k", "key.")):
        if head.startswith(released):
            inner = tower_name(rest)
            return None if inner is None else place(STREAM[head[len(released) :]]) + part + inner
    if head.startswith("queue_ptr"):
        return place(STREAM[head[len("queue_ptr") :]]) + "queue.place"
    if head.startswith("queue"):
        return place(STREAM[head[len("queue") :]]) + "queue.entries"
    return None


def in_our_shape(name: str, value: Tensor) -> Tensor:
    """Queues lie the other way round here, their pointer is a scalar, and prompts are vectors."""
    if name.startswith("prompts."):
        return value.flatten()
    if name.endswith("queue.entries"):
        return value.T
    return value.reshape(()) if name.endswith("queue.place") else value


def renamed(case: Case, prefix: str, rename: Callable[[str], str | None]) -> dict[str, Tensor]:
    """A recorded group under our names."""
    pairs = ((rename(name), value) for name, value in case.group(prefix).items())
    return {name: in_our_shape(name, value) for name, value in pairs if name is not None}


def load(method: PretextMethod, case: Case, rename: Callable[[str], str | None], optional: str = "") -> None:
    """Put the recorded start into a method; every weight of ours but ``optional`` must be recorded."""
    missing, unexpected = method.load_state_dict(renamed(case, "state/", rename), strict=False)
    assert not unexpected
    assert not [name for name in missing if not (optional and name.startswith(optional))]


def batch(case: Case, name: str) -> Batch:
    """A recorded dense view."""
    return Batch.from_dense(case.tensor(name))


def steps(
    method: PretextMethod,
    views: Sequence[Batch],
    case: Case,
    noise: Callable[[int], Noise] = lambda step: Noise(0, step),
    epoch: Callable[[int], int] = lambda step: 0,
) -> Iterator[tuple[int, StepOutput]]:
    """Training as recorded: yields after each gradient, updates weights and queues when asked for the next."""
    optimiser = torch.optim.SGD(method.parameter_groups(), lr=case.config["lr"], momentum=0.9, weight_decay=1e-4)
    method.train()
    for step in range(case.config["steps"]):
        progress = Progress(epoch(step), 1, 1000)
        method.on_step_start(progress, noise(step))
        output = method(views, noise(step), progress)
        optimiser.zero_grad()
        output.loss().backward()
        yield step, output
        optimiser.step()
        method.on_step_end(progress, noise(step))


def value(output: StepOutput, term: str) -> float:
    """Mean of a term, without its weight."""
    term_of_loss = output.terms[term]
    return float(term_of_loss.total.detach() / term_of_loss.count)


def check_gradients(
    method: PretextMethod, case: Case, rename: Callable[[str], str | None], tolerance: float, prefix: str = ""
) -> None:
    """Norms of all recorded gradients and the full ones that were kept, relative to the whole gradient."""
    mine = {name: p.grad for name, p in method.named_parameters(remove_duplicate=False) if p.grad is not None}
    total, compared = float(case.data[f"{prefix}grad/total_norm"]), 0
    for name, norm in zip(case.data[f"{prefix}grad/names"], case.data[f"{prefix}grad/norms"], strict=True):
        own_name = rename(str(name))
        assert own_name is not None, name
        if norm > 1e-5 * total:
            assert abs(float(mine[own_name].double().norm()) - norm) < tolerance * total, name
            compared += 1
    assert compared > len(mine) / 4
    for name, full in renamed(case, f"{prefix}gradfull/", rename).items():
        if float(full.norm()) > 1e-5 * total:
            assert float((mine[name].reshape(full.shape) - full).norm()) < tolerance * total, name


def check_state(
    method: PretextMethod, case: Case, prefix: str, rename: Callable[[str], str | None], tolerance: float
) -> None:
    """Every recorded weight and buffer, each against its own largest value."""
    mine, group = method.state_dict(), renamed(case, prefix, rename)
    assert group
    for name, wanted in group.items():
        try:
            close(mine[name].to(wanted.dtype), wanted, tolerance)
        except AssertionError as fault:
            raise AssertionError(f"{name}: {fault}") from fault


__all__ = [
    "Case",
    "batch",
    "case_of",
    "check_gradients",
    "check_state",
    "clip_spec",
    "close",
    "graph",
    "gru",
    "load",
    "ours",
    "steps",
    "value",
]


def common(case: Case) -> dict[str, float]:
    """Options that most methods share, as recorded."""
    config = case.config
    dim = config.get("dim", config.get("feature_dim"))
    return {"dim": dim, "queue": config["K"], "momentum": config.get("m", 0.999)}
