"""Encoders are judged in the arithmetic of the run, as they are trained: no TF32, deterministic where asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.benchmark import Split
from sslskel.api.encoder import Encoder
from sslskel.checks.fixtures import dataset_info, make_dataset, make_spec
from sslskel.config.groups import EngineConfig
from sslskel.evaluation import judge
from sslskel.plugins.registry import BENCHMARKS, PROTOCOLS

INFO = dataset_info()
SPEC = make_spec(INFO, 16)
RULE = Split("xsub", "subject", frozenset({0, 1, 2}), frozenset())
BENCHMARK = replace(BENCHMARKS.get("synthetic"), splits={"xsub": RULE}, default_split="xsub", expected={}, recipe={})
Flags = tuple[bool, bool, bool, torch.dtype]


def flags() -> Flags:
    cuda, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    return cuda, cudnn, torch.are_deterministic_algorithms_enabled(), torch.get_default_dtype()


class Telling(Encoder):
    """Notes what is on while it works."""

    def __init__(self) -> None:
        super().__init__()
        self.spec, self.dim, self.seen = SPEC, 3 * SPEC.layout.num_joints, list[Flags]()

    def clip(self, batch: Batch) -> Tensor:
        self.seen.append(flags())
        return batch.dense(2)[..., 0].std(2).flatten(1)


@pytest.fixture
def odd_program() -> Iterator[None]:
    """A program that has chosen otherwise for itself."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = False, True


def test_a_protocol_runs_in_it(odd_program: None) -> None:
    encoder, before = Telling(), flags()
    target = judge.Target(BENCHMARK, make_dataset(INFO, 60), "xsub")
    knn = PROTOCOLS.get("knn")
    judge.evaluate_stage({"joint": encoder}, knn(knn.Config()), target, EngineConfig(device="cpu"), 0)
    assert set(encoder.seen) == {(False, False, False, torch.float32)}
    assert flags() == before == (True, True, False, torch.float32)
    encoder.seen.clear()
    judge.evaluate_stage(
        {"joint": encoder}, knn(knn.Config()), target, EngineConfig(device="cpu", deterministic=True), 0
    )
    assert set(encoder.seen) == {(False, False, True, torch.float32)}
    assert flags() == before


def test_every_evaluation_has_a_peak_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[torch.device] = []
    monkeypatch.setattr(judge, "forget_peak", begun.append)
    knn, target = PROTOCOLS.get("knn"), judge.Target(BENCHMARK, make_dataset(INFO, 60), "xsub")
    judge.evaluate_stage({"joint": Telling()}, knn(knn.Config()), target, EngineConfig(device="cpu"), 0)
    assert begun == [torch.device("cpu")]
