"""Contrastive methods on two processes against one, in float64: queues, partners and statistics are global.

Run as a script this file is one of the processes.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from sslskel.api.backbone import Backbone
from sslskel.api.view import ClipSpec
from sslskel.backbones.gru_stepped import GruStepped
from sslskel.backbones.st_gcn import StGcn, StGcnConfig
from sslskel.checks.fixtures import dataset_info, make_source, make_spec
from sslskel.config.groups import EngineConfig, Optimiser, Precision, Schedule, TrainConfig
from sslskel.engine.train import pretrain
from sslskel.nn.gru import GruConfig
from sslskel.plugins.registry import METHODS

FRAMES, CLIPS = 16, 11
CASES: dict[str, dict[str, Any]] = {
    "skeletonclr": {"queue": 7},
    "crossclr": {"queue": 7, "cross_epoch": 1.0},
    "aimclr": {"queue": 7, "mining_epoch": 1.0},
    "hiclr": {"queue": 7, "mining_epoch": 1.0},
    "actclr": {"queue": 7, "neighbours": 4},
    "cmd": {"queue": 7, "neighbours": 4},
    "isc": {"queue": 7, "graph_width": 2},
    "pcm3": {"queue": 7, "decoder_width": 8},
    "pstl": {"width": 8, "mask_joints": 4, "mask_frames": 2},
}
"""Batches of 5 divide neither the queue nor the processes."""
GROUPS = [
    ("pcm3", "pstl"),
    pytest.param(("skeletonclr", "crossclr", "aimclr", "hiclr", "actclr", "cmd", "isc"), marks=pytest.mark.long),
]


def graph(clip: ClipSpec) -> Backbone:
    return StGcn(StGcnConfig(width=2, dim=8, dropout=0.2), clip)


def recurrent(clip: ClipSpec) -> Backbone:
    return GruStepped(GruConfig(hidden=8, layers=1), clip)


def train(name: str, folder: Path) -> None:
    """Four steps of a method, checkpoint and losses left in the folder."""
    plugin = METHODS.get(name)
    build: Callable[[ClipSpec], Backbone] = graph if plugin.default_backbone == "st_gcn" else recurrent
    shared = {} if name == "pstl" else {"dim": 6}
    info = dataset_info()
    spec = make_spec(info, FRAMES)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        method = plugin(plugin.Config(**shared, **CASES[name]), build, spec)
    settings = TrainConfig(
        epochs=2, batch_size=5, optimiser=Optimiser.sgd, lr=0.01, warmup_epochs=0, schedule=Schedule.constant
    )
    engine = EngineConfig(device="cpu", precision=Precision.fp64, log_every=1)
    source = make_source(info, CLIPS, spec, torch.float64)
    pretrain(method, source, settings, engine, 0, folder / name, {"identity": name})


def losses(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: line[key] for key in line if key == "loss" or key.startswith("term")} for line in lines]


@pytest.mark.long
@pytest.mark.parametrize("names", GROUPS)
def test_two_processes_train_as_one(names: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> None:
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    processes = []
    for rank in range(2):
        env = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        every = {**os.environ, **{name: str(value) for name, value in env.items()}, "OMP_NUM_THREADS": "1"}
        processes.append(
            subprocess.Popen([sys.executable, __file__, str(two), *names], env=every, stderr=subprocess.PIPE)
        )
    for name in names:
        train(name, one)
    for process in processes:
        _, error = process.communicate(timeout=180)
        assert process.returncode == 0, error.decode()
    for name in names:
        require_equal(one / name, two / name)


def require_equal(one: Path, two: Path) -> None:
    """The same losses at every step, and the same weights, queues and statistics at the end."""
    assert len(losses(one)) == 4
    for ours, theirs in zip(losses(one), losses(two), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-9)
    checkpoint = next(one.glob("step-*"))
    weights = load_file(checkpoint / "model.safetensors")
    others = load_file(two / checkpoint.name / "model.safetensors")
    assert weights.keys() == others.keys()
    for key, value in weights.items():
        torch.testing.assert_close(others[key], value, rtol=0, atol=1e-9, msg=key)


if __name__ == "__main__":
    for each in sys.argv[2:]:
        train(each, Path(sys.argv[1]))
