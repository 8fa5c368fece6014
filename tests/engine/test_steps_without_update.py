"""Steps in which a method changes no weight: hooks, logs, faults, resumption, several optimisers, processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import toy_engine
from safetensors.torch import load_file
from toy_engine import Adversary, Toy, ToyConfig

from sslskel.api.method import Progress
from sslskel.errors import RunError


class Late(Toy):
    """Changes nothing in its first epoch."""

    def updates(self, progress: Progress) -> bool:
        return progress.epoch >= 1


class LateAdversary(Adversary):
    def updates(self, progress: Progress) -> bool:
        return progress.epoch >= 1


TRAIN = {"epochs": 2, "batch_size": 11, "warmup_epochs": 0}
"""Two steps an epoch."""


def trained(folder: Path, step: int) -> dict[str, Any]:
    return load_file(folder / f"step-{step:08d}" / "model.safetensors")


def test_weights_stay_until_the_method_updates_them(tmp_path: Path) -> None:
    kept: dict[str, Any] = {}
    result = toy_engine.run(tmp_path, kind=Late, keep=kept, train={**TRAIN, "keep_checkpoints": 9})
    before, filled, after = (
        Late(ToyConfig(), seed=3).state_dict(),
        trained(tmp_path, 2),
        trained(tmp_path, result.steps),
    )
    assert result.steps == 4
    for name in ("inner.0.weight", "inner.0.bias", "mask"):
        assert filled[name].equal(before[name])
        assert not after[name].equal(before[name])
    assert filled["steps_seen"] == 2, "hooks are called all the same"
    assert kept["method"].hooks == [f"{when} {step}" for step in range(4) for when in ("start", "end")]
    first, *_, last = toy_engine.lines(tmp_path)
    assert (first["lr"], first["gradient_norm"]) == (0, 0)
    assert first["loss"] > 0
    assert last["lr"] > 0
    assert last["gradient_norm"] > 0


def test_the_first_update_is_that_of_a_new_optimiser(tmp_path: Path) -> None:
    late = toy_engine.run(tmp_path / "late", kind=Late, train={**TRAIN, "optimiser": "sgd", "schedule": "constant"})
    assert late.steps == 4
    norms = [line["gradient_norm"] for line in toy_engine.lines(tmp_path / "late")]
    assert [norm > 0 for norm in norms] == [False, False, True, True]


def test_several_optimisers_wait_alike(tmp_path: Path) -> None:
    toy_engine.run(tmp_path, kind=LateAdversary, train={**TRAIN, "keep_checkpoints": 9})
    before, filled = LateAdversary(ToyConfig(), seed=3).state_dict(), trained(tmp_path, 2)
    assert filled["critic.0.weight"].equal(before["critic.0.weight"])
    assert not trained(tmp_path, 4)["critic.0.weight"].equal(before["critic.0.weight"])
    first = toy_engine.lines(tmp_path)[0]
    assert {"term/critic.tell", "term/generator.rebuild"} <= set(first)


def test_a_loss_that_is_not_finite_ends_the_run_there_too(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="step 2"):
        toy_engine.run(tmp_path, kind=Late, method={"poisoned_step": 1}, train=TRAIN)
