"""On a GPU as on the CPU: what a run trains, judges and continues. Skipped without one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sslskel.grid.request import GridRequest
from sslskel.grid.run import pretrain, run_grid

pytestmark = pytest.mark.gpu
SMALL = ("train.epochs=2", "engine.threads=1", "backbone.dim=16", "backbone.depth=1", "backbone.heads=2")


def weights(output: Path, *overrides: str) -> dict[str, torch.Tensor]:
    request = GridRequest(
        methods=("mamp",), benchmarks=("tiny",), preset="quick", output=output, overrides=(*SMALL, *overrides)
    )
    folder, _ = pretrain(request)
    return load_file(max(folder.glob("step-*")) / "model.safetensors")


def test_it_learns_what_the_cpu_learns(tiny: str, tmp_path: Path) -> None:
    here, there = (
        weights(tmp_path / device, f"engine.device={device}", "engine.precision=fp64") for device in ("cpu", "cuda")
    )
    for name, value in here.items():
        torch.testing.assert_close(there[name], value, rtol=1e-6, atol=1e-8, msg=name)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_learns_about_the_same(tiny: str, tmp_path: Path, precision: str) -> None:
    full, mixed = (
        weights(tmp_path / word, "engine.device=cuda", f"engine.precision={word}") for word in ("fp32", precision)
    )
    for name, value in full.items():
        torch.testing.assert_close(mixed[name], value, rtol=0.05, atol=0.01, msg=name)


def test_deterministic_runs_are_the_same(tiny: str, tmp_path: Path) -> None:
    options = ("engine.device=cuda", "engine.deterministic=true")
    first, second = (weights(tmp_path / word, *options) for word in ("first", "second"))
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_records_are_those_of_the_cpu(tiny: str, tmp_path: Path) -> None:
    scores = []
    for device in ("cpu", "cuda"):
        output = tmp_path / device
        protocols = ("knn", "linear", "retrieval", "few_shot")
        request = GridRequest(
            methods=("random_init",),
            protocols=protocols,
            benchmarks=(tiny,),
            output=output,
            overrides=(*SMALL[1:], f"engine.device={device}"),
        )
        done = run_grid(request)
        assert not done.failures
        scores.append({path.name: json.loads(path.read_text())["scores"] for path in output.glob("records/*.json")})
    assert scores[0].keys() == scores[1].keys()
    for name, own in scores[0].items():
        assert scores[1][name] == pytest.approx(own, abs=0.1)
