"""Clips that two processes encode together, some batches here and some there, against one process alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from together import run_together
from torch import Tensor, nn

from sslskel.api.batch import Batch
from sslskel.api.benchmark import Split
from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.api.protocol import EvaluationProtocol
from sslskel.checks.fixtures import dataset_info, make_dataset, make_spec
from sslskel.config.groups import EngineConfig
from sslskel.engine.signals import PREEMPTED, interrupted
from sslskel.errors import Interrupted, RunError
from sslskel.evaluation.judge import Target, encode_for_another, evaluate_stage
from sslskel.evaluation.spread import Leader, Task, follow, leading, own_share
from sslskel.plugins.registry import BENCHMARKS, PROTOCOLS
from sslskel.protocols.knn import Knn

INFO = dataset_info()
SPEC = make_spec(INFO, 16)
RULE = Split("xsub", "subject", frozenset({0, 1, 2}), frozenset({2}))
BENCHMARK = replace(BENCHMARKS.get("synthetic"), splits={"xsub": RULE}, default_split="xsub", expected={}, recipe={})
CLIPS, WORLD = 60, 2
CASES: list[tuple[str, dict[str, Any]]] = [
    ("knn", {"encode_batch": 7}),
    ("linear", {"encode_batch": 7, "epochs": 2, "min_steps": 0, "encoder_dropout": True, "augment": True}),
    ("occlusion", {"encode_batch": 7, "epochs": 1, "min_steps": 0}),
    ("linear", {"encode_batch": 7, "epochs": 1, "min_steps": 0, "levels": ["", "first"], "rates": [1.0, 0.1]}),
    ("training", {"encode_batch": 7}),
]


class Training(Knn):
    """Would change the weights that the other process has."""

    trains = "all"


def protocol_of(name: str) -> type[EvaluationProtocol[Any]]:
    return Training if name == "training" else PROTOCOLS.get(name)


class Moving(Encoder):
    """How far joints move about, with values dropped in training; counts the clips that it saw."""

    def __init__(self, broken: bool = False) -> None:
        super().__init__()
        self.spec, self.dim, self.seen, self.broken = SPEC, 3 * SPEC.layout.num_joints, 0, broken
        self.scale, self.noise = nn.Parameter(torch.full((self.dim,), 3.0)), Noise(0)

    def bind(self, batch: Batch, noise: Noise) -> None:
        self.noise = noise.on(batch)

    def clip(self, batch: Batch) -> Tensor:
        self.seen += batch.num_clips
        if self.broken and batch.num_clips < CLIPS // 2:
            raise ValueError("no such joint")
        moved = batch.dense(2)[..., 0].std(2).flatten(1) * self.scale
        if self.training:
            moved = moved * (self.noise.uniform("drop", (self.dim,), "clip") < 0.8)
        return moved

    @property
    def levels(self) -> Mapping[str, int]:
        return {"first": 9}

    def level(self, name: str, batch: Batch) -> Tensor:
        return self.clip(batch)[:, : self.levels[name]]


class Some(list[int]):
    """Clips, as numbers."""

    def subset(self, rows: Tensor) -> Some:
        return Some(self[int(row)] for row in rows)


class Store(dict[str, str]):
    """Of a run of two processes, in one; the other one says ``said``, or what it raises happens."""

    def __init__(self, said: str | BaseException = "+") -> None:
        super().__init__()
        self.said = said

    def set(self, key: str, value: str) -> None:
        self[key] = value

    def check(self, keys: list[str]) -> bool:
        return True

    def get(self, key: str) -> Any:
        if isinstance(self.said, BaseException):
            raise self.said
        return self.said.encode()


def asked_by_the_first(store: Store, monkeypatch: pytest.MonkeyPatch, *augment: Any) -> Any:
    monkeypatch.setattr("sslskel.evaluation.spread.shared_store", lambda _: store)
    monkeypatch.setattr("sslskel.evaluation.spread.world_size", lambda: 2)
    view = replace(SPEC.test_view, augment=augment)
    task = Task("test", None, ("joint",), view, Noise(0), 3, False, "")
    every: Any = Some(range(12))
    return Leader().encoded(task, every, lambda some: some)  # type: ignore[arg-type, return-value]


def target() -> Target:
    return Target(BENCHMARK, make_dataset(INFO, CLIPS), "xsub")


def judged(name: str, options: dict[str, Any], encoder: Encoder) -> dict[str, Any]:
    plugin = protocol_of(name)
    known = {key: value for key, value in options.items() if hasattr(plugin.Config(), key)}
    result = evaluate_stage({"joint": encoder}, plugin(plugin.Config(**known)), target(), EngineConfig(device="cpu"), 3)
    return {"keys": result.outcome.keys, **result.outcome.values}


def helps(name: str, encoder: Encoder) -> None:
    opened: Any = SimpleNamespace(encoders={"joint": encoder}, meta=SimpleNamespace(made_for=INFO.name))
    plugin = protocol_of(name)
    encode_for_another(lambda: (opened, plugin(plugin.Config())), target(), EngineConfig(device="cpu"), 3)


def worker(barrier: Any, number: int, folder: str, broken: bool) -> None:
    torch.set_num_threads(1)
    store = dist.FileStore(f"{folder}/store", WORLD)
    dist.init_process_group("gloo", store=store, rank=number, world_size=WORLD)
    try:
        seen = []
        for at, (name, options) in enumerate(CASES[:1] if broken else CASES):
            encoder = Moving(broken and number == 1)
            if number == 0:
                with leading():
                    if broken:
                        with pytest.raises(RunError, match=r"process 1 could not encode \(ValueError: no such joint\)"):
                            judged(name, options, encoder)
                    else:
                        np.savez(f"{folder}/{at}.npz", **judged(name, options, encoder))
            else:
                helps(name, encoder)
            seen.append(encoder.seen)
        Path(f"{folder}/{number}.seen").write_text(repr(seen))
    finally:
        dist.destroy_process_group()


def test_two_processes_encode_as_one(tmp_path: Path) -> None:
    run_together(worker, WORLD, str(tmp_path), False)
    first, second = (eval((tmp_path / f"{number}.seen").read_text()) for number in range(WORLD))
    for at, (name, options) in enumerate(CASES):
        encoder = Moving()
        alone = judged(name, options, encoder)
        with np.load(tmp_path / f"{at}.npz") as together:
            for key, value in alone.items():
                np.testing.assert_array_equal(together[key], value, err_msg=f"{name}: {key}")
        assert first[at] + second[at] == encoder.seen, name
        # What trains the encoder stays with the first, whose weights the other has not.
        assert (second[at] == 0) == (protocol_of(name).trains == "all"), name
        assert second[at] == 0 or second[at] > encoder.seen / 4, name


def test_the_first_says_what_went_wrong_in_another(tmp_path: Path) -> None:
    run_together(worker, WORLD, str(tmp_path), True)


def test_the_first_encodes_alone_what_it_cannot_tell_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    assert asked_by_the_first(store, monkeypatch, lambda batch, noise: batch) == [*range(12)]
    assert not store  # nobody waits for the number of a task that never comes


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), interrupted(PREEMPTED, "here"), RuntimeError("no such host")])
def test_nobody_waits_for_a_first_process_that_ended_while_it_waited(
    fault: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(fault)
    with pytest.raises(type(fault)):
        asked_by_the_first(store, monkeypatch)
    assert [value for key, value in store.items() if key.endswith("/go")] == ["!"]


@pytest.mark.parametrize(("fault", "code"), [(interrupted(PREEMPTED, "here"), 75), (KeyboardInterrupt(), 130)])
def test_a_process_that_is_asked_to_stop_stops_and_the_first_with_it(
    fault: BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store("a task")
    monkeypatch.setattr("sslskel.evaluation.spread.shared_store", lambda _: store)
    monkeypatch.setattr("sslskel.evaluation.spread.rank", lambda: 1)

    def prepare() -> Any:
        raise fault

    with pytest.raises(type(fault)):
        follow(prepare)
    monkeypatch.setattr("sslskel.evaluation.spread.rank", lambda: 0)
    (said,) = store.values()
    with pytest.raises(Interrupted, match="process 1") as stopped:
        asked_by_the_first(Store(said), monkeypatch)
    assert stopped.value.exit_code == code


@pytest.mark.parametrize("world", [1, 2, 3, 5])
@pytest.mark.parametrize("clips", [1, 6, 7, 20])
def test_shares_are_whole_batches_in_order(world: int, clips: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sslskel.evaluation.spread.world_size", lambda: world)
    every: Any = Some(range(clips))
    shares = []
    for number in range(world):
        monkeypatch.setattr("sslskel.evaluation.spread.rank", lambda number=number: number)
        shares.append([*own_share(every, 3)])
    assert [one for share in shares for one in share] == [*every]
    assert all(len(share) % 3 == 0 for share in shares if share and share[-1] != clips - 1)
