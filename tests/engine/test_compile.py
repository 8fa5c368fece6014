"""Compiled training: one graph for batches of any number of persons, the losses of plain training, and its errors."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch._dynamo.utils import counters
from toy_engine import Toy, run

from sslskel.api.noise import Noise
from sslskel.errors import RunError
from sslskel.grid.request import GridRequest
from sslskel.grid.run import pretrain

OPTIONS = [
    *("engine.device=cpu", "engine.log_every=1", "train.drop_last=false", "train.batch_size=7", "train.epochs=3"),
    *("train.checkpoint_epochs=1", "train.keep_checkpoints=9", "train.warmup_epochs=0", "clip.frames=16"),
]


class Curious(Toy):
    """Looks at a number in the middle of its pass, which no graph can hold."""

    def forward(self, views, noise: Noise, progress):  # type: ignore[no-untyped-def]
        if float(self.mask.sum().item()) > 1e9:
            raise AssertionError
        return super().forward(views, noise, progress)


def test_a_method_that_is_no_graph_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"engine\.compile=true does not work for this method here .*; leave it out"):
        run(tmp_path, kind=Curious, engine={"compile": True})
    assert not list(tmp_path.rglob("step-*"))


def train(output: Path, *options: str) -> tuple[list[float], dict[str, torch.Tensor], Path]:
    """Losses, final weights and folder of a run."""
    request = GridRequest(
        methods=("mamp",), benchmarks=("tiny",), preset="quick", output=output, overrides=(*OPTIONS, *options)
    )
    pretrain(request)
    [folder] = output.glob("pretrain/*")
    losses = [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return losses, load_file(max(folder.glob("step-*")) / "model.safetensors"), folder


@pytest.mark.long
@pytest.mark.parametrize(("precision", "apart"), [("fp32", 1e-5), ("bf16", 5e-3)])
def test_a_method_is_compiled_once_and_trains_the_same(tiny: str, tmp_path: Path, precision: str, apart: float) -> None:
    """Batches of 7, 7 and 4 clips of one or two persons; weights that nothing depends on may differ from plain ones."""
    words = f"engine.precision={precision}", "engine.compile=true"
    plain, _, _ = train(tmp_path / "plain", words[0])
    torch._dynamo.reset()
    counters.clear()
    compiled, weights, folder = train(tmp_path / "compiled", *words)
    assert counters["stats"]["unique_graphs"] == 1
    assert max(abs(a - b) for a, b in zip(plain, compiled, strict=True)) <= apart
    shutil.copytree(folder, tmp_path / "resumed" / "pretrain" / folder.name)
    for step in sorted((tmp_path / "resumed").glob("pretrain/*/step-*"))[1:]:
        shutil.rmtree(step)
    again, others, _ = train(tmp_path / "resumed", *words)
    assert max(abs(a - b) for a, b in zip(again, compiled, strict=True)) <= apart
    assert max(float((others[name] - value).abs().max()) for name, value in weights.items()) <= apart


@pytest.mark.long
def test_a_single_person_takes_one_graph_more(tiny: str, tmp_path: Path) -> None:
    torch._dynamo.reset()
    counters.clear()
    train(tmp_path, "engine.compile=true", "train.batch_size=1")
    assert counters["stats"]["unique_graphs"] == 2
