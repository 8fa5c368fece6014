"""A run over two hosts with a network between them equals the run of one process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import two_hosts
from safetensors.torch import load_file

WORDS = ["pretrain", "--method", "mamp", "--benchmark", "tiny", "--device", "cpu", "--precision", "fp64"]
OPTIONS = ["engine.log_every=1", "train.drop_last=false", "train.batch_size=7", "train.epochs=17"]


@pytest.mark.long
def test_two_hosts_train_as_one_process(tmp_path: Path, command_env: dict[str, str]) -> None:
    if reason := two_hosts.missing():
        pytest.skip(reason)
    two_hosts.run([*WORDS, "--results", str(tmp_path / "two"), *OPTIONS], command_env)
    one = [sys.executable, "-m", "sslskel", *WORDS, "--results", str(tmp_path / "one"), *OPTIONS]
    subprocess.run(one, env=command_env, check=True, capture_output=True)
    folders = [next((tmp_path / name).glob("pretrain/*")) for name in ("one", "two")]
    losses = [
        [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()] for folder in folders
    ]
    assert len(losses[0]) == len(losses[1]) >= 50
    assert max(abs(a - b) for a, b in zip(*losses, strict=True)) <= 1e-9
    weights, others = (load_file(max(folder.glob("step-*")) / "model.safetensors") for folder in folders)
    assert max(float((others[name] - value).abs().max()) for name, value in weights.items()) <= 1e-9
