"""Whole runs under deterministic algorithms, in which an operation without such a form raises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sslskel.config.stages import stages_of
from sslskel.engine.turns import Turns
from sslskel.evaluation import judge
from sslskel.grid.request import GridRequest
from sslskel.grid.run import run_grid
from sslskel.plugins.registry import METHODS

TRAINED = sorted(name for name in METHODS.names() if METHODS.get(name).trains and not stages_of(name))
SMALL = ("train.epochs=1", "train.warmup_epochs=0", "train.batch_size=8", "engine.threads=1", "engine.device=cpu")


def flags() -> dict[str, Any]:
    """What decides how numbers are computed."""
    return {
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "products": torch.backends.cuda.matmul.allow_tf32,
        "convolutions": torch.backends.cudnn.allow_tf32,
        "benchmark": torch.backends.cudnn.benchmark,
        "precision": torch.get_float32_matmul_precision(),
        "type": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "threads": torch.get_num_threads(),
    }


@pytest.mark.long
@pytest.mark.parametrize("name", TRAINED)
def test_a_run_has_deterministic_forms_of_all_it_does(
    name: str, tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what is on while a method trains is on while its encoder is judged."""
    training, judging, before = list[dict[str, Any]](), list[dict[str, Any]](), flags()
    step, check = Turns.step, judge.check_independence

    def stepped(*arguments: Any) -> Any:
        training.append(flags())
        return step(*arguments)

    def checked(*arguments: Any) -> dict[str, float]:
        judging.append(flags())
        return check(*arguments)

    monkeypatch.setattr(Turns, "step", stepped)
    monkeypatch.setattr(judge, "check_independence", checked)
    request = GridRequest(
        methods=(name,),
        protocols=("knn",),
        benchmarks=(tiny,),
        preset="quick",
        output=tmp_path,
        overrides=(*SMALL, "engine.deterministic=true"),
    )
    done = run_grid(request)
    assert not done.failures
    assert training[0]["deterministic"]
    assert not training[0]["products"]
    assert training == [training[0]] * len(training)
    assert judging == [training[0]]
    assert flags() == before
