"""What replays of recorded contrastive trainings share: our state from theirs, steps, and comparisons."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import torch
from recorded import Recorded
from torch import Tensor, nn
from undrawn_clips import undrawn

from sslskel.api.batch import Batch, StepOutput
from sslskel.api.method import PretextMethod
from sslskel.api.skeleton import NTU25
from sslskel.api.view import ClipSpec
from sslskel.backbones.st_gcn import StGcn

STREAM = {"": "joint", "_motion": "motion", "_bone": "bone"}
"""How released code ends a name -> our stream."""


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


def case_of(shared: Path, name: str) -> Recorded:
    """One recorded file."""
    return Recorded(shared / "golden_contrastive" / f"{name}.npz")


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


def renamed(case: Recorded, prefix: str, rename: Callable[[str], str | None]) -> dict[str, Tensor]:
    """A recorded group under our names."""
    ours = {name: rename(name[len(prefix) :]) for name in case if name.startswith(prefix)}
    return {place: in_our_shape(place, case.tensor(name)) for name, place in ours.items() if place is not None}


def load(method: PretextMethod, case: Recorded, rename: Callable[[str], str | None], optional: str = "") -> None:
    """Put the recorded start into a method; every weight of ours but ``optional`` must be recorded."""
    missing, unexpected = method.load_state_dict(renamed(case, "state/", rename), strict=False)
    assert not unexpected
    assert not [name for name in missing if not (optional and name.startswith(optional))]


def batch(case: Recorded, name: str) -> Batch:
    """A recorded dense view."""
    return Batch.from_dense(case.tensor(name))


def value(output: StepOutput, term: str) -> float:
    """Mean of a term, without its weight."""
    term_of_loss = output.terms[term]
    return float(term_of_loss.total.detach() / term_of_loss.count)


def softened(student: Tensor, teacher: Tensor) -> float:
    """Mean Kullback-Leibler divergence from teacher to student logits, both (N, L), in double precision."""
    chances = teacher.double().softmax(1)
    return float((chances * (chances.log() - student.double().log_softmax(1))).sum(1).mean())


def from_sequence(frames: Tensor) -> Batch:
    """(N, T, V*C*M) numbers in released order -> a batch."""
    return Batch.from_dense(frames.unflatten(2, (25, 3, 2)).permute(0, 3, 1, 2, 4))


def check_gradients(
    method: PretextMethod,
    case: Recorded,
    rename: Callable[[str], str | None],
    tolerance: float,
    prefix: str = "",
    part: str = "",
) -> None:
    """Norms of all recorded gradients, their total and the full ones that were kept, relative to the whole gradient.

    ``part`` begins the names of our parameters that were recorded.
    """
    named = method.named_parameters(remove_duplicate=False)
    mine = {name: p.grad for name, p in named if p.grad is not None and name.startswith(part)}
    total, compared = float(case[f"{prefix}grad/total_norm"]), 0
    each = {id(gradient): gradient.double().norm() for gradient in mine.values()}
    assert abs(float(torch.stack(list(each.values())).norm()) - total) < max(tolerance, 1e-5) * total
    for name, norm in zip(case[f"{prefix}grad/names"], case[f"{prefix}grad/norms"], strict=True):
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
    method: PretextMethod, case: Recorded, prefix: str, rename: Callable[[str], str | None], tolerance: float
) -> None:
    """Every recorded weight and buffer, each against its own largest value; places in queues exactly."""
    mine, group = method.state_dict(), renamed(case, prefix, rename)
    assert group
    for name, wanted in group.items():
        try:
            close(mine[name].to(wanted.dtype), wanted, tolerance if wanted.is_floating_point() else 0)
        except AssertionError as fault:
            raise AssertionError(f"{name}: {fault}") from fault


def check_graphs(method: nn.Module, case: Recorded) -> None:
    """Every recorded adjacency against that of every graph network."""
    graphs = [module.graph for module in method.modules() if isinstance(module, StGcn)]
    names = [name for name in case if name.rpartition("/")[2].rpartition(".")[2] == "A"]
    assert graphs
    assert names
    for name in names:
        for graph in graphs:
            close(graph, case.tensor(name))
