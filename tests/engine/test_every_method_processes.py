"""Every built-in method trains the same on 1, 2 and 4 processes, and goes on with another number of them.

float64 within 1e-9 over 51 steps; the last batch of an epoch is smaller, clips and persons
are spread unevenly over the processes. A method that is added is tried without an edit here.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from sslskel.config.stages import stages_of
from sslskel.plugins.registry import BACKBONES, METHODS

METHOD_NAMES = sorted(name for name in METHODS.names() if METHODS.get(name).trains and not stages_of(name))
"""Stages are runs of methods that are here by themselves."""
WORKER = """
import dataclasses, sys, torch
from pathlib import Path
from sslskel.grid.request import GridRequest
from sslskel.grid.run import pretrain
from sslskel.checks.fixtures import small_config
from sslskel.plugins.registry import BACKBONES, METHODS
torch.set_num_threads(1)
rates = {"pstl": 3e-9}
for method in sys.argv[3:]:
    config = BACKBONES.get(METHODS.get(method).default_backbone).Config
    usual, small = (dataclasses.asdict(one) for one in (config(), small_config(config)))
    if "segment" in small:
        small["segment"] = 4  # divides the 16 frames
    options = [
        "engine.device=cpu", f"engine.precision={sys.argv[2]}", "engine.log_every=1", "train.drop_last=false",
        "train.batch_size=7", "train.epochs=17", "train.keep_checkpoints=99", "train.checkpoint_epochs=4",
        f"train.lr={rates.get(method, 3e-6)}", "train.min_lr=0", "clip.frames=16", "clip.min_frames=8",
        *(f"backbone.{name}={value}" for name, value in small.items() if value != usual[name])]
    pretrain(GridRequest(methods=(method,), benchmarks=("tiny",), output=Path(sys.argv[1]), preset="quick",
        overrides=tuple(options)))
"""
"""18 clips in batches of 7, 7 and 4; over four processes 2, 2, 2, 1 and 1, 1, 1, 1.

Rates are those at which rounding stays rounding. A bias in front of a norm has no gradient but rounding, and Adam
makes steps of that: at 1e-3 such biases, which nothing depends on, are 1e-8 apart after 51 steps where losses agree to
1e-11. PSTL's gradients are in the thousands, and its rounding with them.
"""


SECONDS = 150
"""For one method; a few on a machine with a core for each process."""


def train(output: Path, world: int, env: dict[str, str], methods: list[str], precision: str = "fp64") -> None:
    """All methods, one after the other, in ``world`` processes that this test starts itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = []
    for rank in range(world):
        where = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        own = {**env, **({name: str(value) for name, value in where.items()} if world > 1 else {})}
        command = [sys.executable, "-c", WORKER, str(output), precision, *methods]
        running.append(subprocess.Popen(command, env=own, stderr=subprocess.PIPE, text=True))
    errors = [process.communicate(timeout=SECONDS * len(methods))[1] for process in running]
    assert [process.returncode for process in running] == [0] * world, "\n".join(errors)


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    plugins = Path(__file__).resolve().parents[1] / "support" / "plugins"
    data = tmp_path_factory.mktemp("data")
    return {**os.environ, "SSLSKEL_PLUGINS": str(plugins), "SSLSKEL_DATA": str(data), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, env: dict[str, str]) -> dict[int, Path]:
    """All methods on 1, 2 and 4 processes: number of processes -> results folder."""
    folders = {world: tmp_path_factory.mktemp(f"world{world}") for world in (1, 2, 4)}
    for world, folder in folders.items():
        train(folder, world, env, METHOD_NAMES)
    return folders


def run_of(output: Path, method: str) -> Path:
    [folder] = output.glob(f"pretrain/{method}-tiny-*")
    return folder


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def apart(one: Path, other: Path) -> tuple[float, float]:
    """Largest difference of a step's loss and of a final weight."""
    first, second = lines(one), lines(other)
    assert [line["step"] for line in first] == [line["step"] for line in second]
    weights, others = (load_file(max(each.glob("step-*")) / "model.safetensors") for each in (one, other))
    assert weights.keys() == others.keys()
    return (
        max(abs(a["loss"] - b["loss"]) for a, b in zip(first, second, strict=True)),
        max(float((weights[name].double() - others[name].double()).abs().max()) for name in weights),
    )


@pytest.mark.long
@pytest.mark.parametrize("world", [2, 4])
@pytest.mark.parametrize("method", METHOD_NAMES)
def test_processes_train_as_one(runs: dict[int, Path], method: str, world: int) -> None:
    one, many = run_of(runs[1], method), run_of(runs[world], method)
    assert len(lines(one)) >= 50
    loss, weight = apart(one, many)
    assert loss <= 1e-9
    assert weight <= 1e-9


@pytest.mark.long
@pytest.mark.parametrize(("before", "after"), [(2, 4), (4, 1), (1, 2)])
def test_a_run_goes_on_with_another_number_of_processes(
    runs: dict[int, Path], env: dict[str, str], tmp_path: Path, before: int, after: int
) -> None:
    for method in METHOD_NAMES:
        source = run_of(runs[before], method)
        target = tmp_path / "pretrain" / source.name
        shutil.copytree(source, target)
        for step in sorted(target.glob("step-*"))[2:]:
            shutil.rmtree(step)
    train(tmp_path, after, env, METHOD_NAMES)
    for method in METHOD_NAMES:
        loss, weight = apart(run_of(runs[1], method), run_of(tmp_path, method))
        assert loss <= 1e-9, method
        assert weight <= 1e-9, method


def of_batches(backbone: str) -> bool:
    """Whether clips see each other in a network's batch norms."""
    return bool(getattr(BACKBONES.get(backbone), "batch_statistics", False))


@pytest.mark.long
def test_float32_losses_agree_where_clips_do_not_see_each_other(tmp_path: Path, env: dict[str, str]) -> None:
    methods = [name for name in METHOD_NAMES if not METHODS.get(name).cross_batch]
    methods = [name for name in methods if not of_batches(METHODS.get(name).default_backbone)]
    for world in (1, 2):
        train(tmp_path / str(world), world, env, methods, "fp32")
    for method in methods:
        one, two = (lines(run_of(tmp_path / str(world), method)) for world in (1, 2))
        # The first steps; later ones see weights that 1e-7 of difference has been fed back into.
        losses = [(a["loss"], b["loss"]) for a, b in zip(one[:12], two[:12], strict=True)]
        assert max(abs(a - b) / max(1.0, abs(a)) for a, b in losses) <= 1e-6, method
