"""A method's loss as one compiled graph, and its encoders as compiled and as exported ones: each works or says why."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sslskel.api.batch import Batch
from sslskel.api.encoder import Encoder
from sslskel.api.method import PretextMethod
from sslskel.api.noise import Noise
from sslskel.checks.fixtures import dataset_info, make_source, small_config
from sslskel.checks.method_case import MethodCase, step_at
from sslskel.plugins.registry import BACKBONES, METHODS

INFO = dataset_info()
NEAR = 1e-5
LONGEST = 90


class OfBatch(nn.Module):
    """An encoder whose arguments are tensors alone, as exported graphs have them."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, tracks: Tensor, valid: Tensor, owner: Tensor, slot: Tensor, key: Tensor) -> Tensor:
        unknown = torch.full_like(key, -1)
        return self.encoder.clip(Batch(tracks, valid, owner, slot, key, unknown, unknown))


def case_of(name: str) -> MethodCase:
    plugin = METHODS.get(name)
    return MethodCase(plugin, small_config(plugin.Config), BACKBONES.get(plugin.default_backbone), info=INFO)


def faults_of(name: str) -> dict[str, str]:
    """By graph why it is none; empty where all are."""
    torch._dynamo.reset()
    works: dict[str, Callable[[MethodCase], None]] = {
        "loss, compiled": loss_compiled,
        "encoder, compiled": encoders_compiled,
        "encoder, exported": encoders_exported,
    }
    faults = {}
    for work, run in works.items():
        try:
            run(case_of(name))
        except Exception as fault:  # a compiler's, of many classes
            faults[work] = reason(fault)
    return faults


def reason(fault: Exception) -> str:
    """The first line that says something, cut to what stays the same from run to run."""
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    said = next((line for line in lines if "Explanation:" in line), lines[0] if lines else "")
    return f"{type(fault).__name__}: {said.removeprefix('Explanation: ')}"[:LONGEST]


def same(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours.detach(), theirs.detach(), rtol=NEAR, atol=NEAR)


def loss_compiled(case: MethodCase) -> None:
    """As ``engine.compile`` does, but for the code that is made of the graph."""
    case.require_training()
    method, plain = case.build(), case.build()
    views, noise = case.views(method)
    for turn in method.turns():
        progress = step_at()._replace(turn=turn.name)
        forward = torch.compile(method.forward, backend="eager", dynamic=True, fullgraph=True)
        same(_loss(forward, method, views, noise, progress), _loss(plain.forward, plain, views, noise, progress))


def _loss(forward, method: PretextMethod, views: list[Batch], noise: Noise, progress) -> Tensor:  # type: ignore[no-untyped-def]
    method.on_step_start(progress, noise)
    loss: Tensor = forward(views, noise, progress).loss()
    return loss


def _tested(case: MethodCase) -> list[tuple[Encoder, Batch]]:
    method = case.build().eval()
    tested = []
    for encoder in method.encoders().values():
        source = make_source(case.info, 4, encoder.spec)
        tested.append((encoder.eval(), source.batch(torch.arange(4), encoder.spec.test_view, Noise(0))))
    return tested


def encoders_compiled(case: MethodCase) -> None:
    for encoder, batch in _tested(case):
        with torch.no_grad():
            graph = torch.compile(encoder.clip, backend="eager", fullgraph=True)
            same(graph(batch), encoder.clip(batch))


def encoders_exported(case: MethodCase) -> None:
    for encoder, batch in _tested(case):
        with torch.no_grad():
            exported = torch.export.export(OfBatch(encoder), tuple(batch[:5]), strict=False)
            same(exported.module()(*batch[:5]), encoder.clip(batch))
