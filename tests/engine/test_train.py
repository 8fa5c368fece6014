"""The training loop on prepared clips: resume, faults, accumulation, and two processes against one."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from sslskel.api.batch import Batch, StepOutput, Term
from sslskel.api.encoder import Encoder
from sslskel.api.method import PretextMethod, Progress
from sslskel.api.noise import Noise
from sslskel.api.view import ClipSpec
from sslskel.config.groups import EngineConfig, Optimiser, Precision, TrainConfig
from sslskel.data.loader import ClipSource
from sslskel.data.prepare import open_benchmark
from sslskel.engine.checkpoint import latest, save_checkpoint
from sslskel.engine.optim import build_optimiser
from sslskel.engine.train import TrainResult, pretrain
from sslskel.errors import CheckpointError, Interrupted, RunError, UsageError
from sslskel.plugins.registry import BENCHMARKS
from sslskel.transforms.clip import clip_spec


@dataclass
class ToyConfig:
    """Nothing to set."""


class Toy(PretextMethod[ToyConfig]):
    """Regress jittered coordinates; ``poison`` makes the loss of one step infinite."""

    Config = ToyConfig

    def __init__(self, clip: ClipSpec) -> None:
        super().__init__(ToyConfig(), None, clip)  # type: ignore[arg-type]
        generator = torch.Generator().manual_seed(0)
        self.layer = nn.Linear(3, 3)
        with torch.no_grad():
            self.layer.weight.copy_(torch.randn(3, 3, generator=generator))
            self.layer.bias.zero_()
        self.poison = -1

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        batch = views[0]
        jitter = noise.on(batch).normal("jitter", batch.tracks.shape[1:], dtype=batch.tracks.dtype)
        error = (self.layer(batch.tracks + 0.1 * jitter) - batch.tracks).square()
        if progress.step == self.poison:
            error = error / 0
        return StepOutput({"recover": Term(error.sum(), torch.tensor(float(error.numel())))})

    def encoders(self) -> dict[str, Encoder]:
        return {}


def make_source(dtype: torch.dtype = torch.float32, clips: int = 18) -> ClipSource:
    benchmark = BENCHMARKS.get("tiny")
    dataset = open_benchmark(benchmark)
    from sslskel.config.groups import ClipConfig

    spec = clip_spec(dataset.info, ClipConfig(frames=8, min_frames=4))
    return ClipSource(dataset, np.arange(clips), spec, dtype=dtype, labels=False)


def settings(**values: Any) -> TrainConfig:
    return TrainConfig(**{"epochs": 4, "batch_size": 5, "warmup_epochs": 1, "checkpoint_epochs": 1, **values})


def run(folder: Path, train: TrainConfig | None = None, method: Toy | None = None, **engine: Any) -> TrainResult:
    precision = engine.pop("precision", Precision.fp32)
    source = make_source(torch.float64 if precision is Precision.fp64 else torch.float32)
    config = EngineConfig(device="cpu", precision=precision, log_every=1, **engine)
    method = method or Toy(source.spec)
    return pretrain(method, source, train or settings(), config, 3, folder, {"identity": "x"})


def weights(result: TrainResult) -> dict[str, torch.Tensor]:
    return load_file(result.checkpoint / "model.safetensors")


def equal(a: TrainResult, b: TrainResult) -> bool:
    one, two = weights(a), weights(b)
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_same_call_gives_the_same_bytes(tiny: str, tmp_path: Path) -> None:
    assert equal(run(tmp_path / "a"), run(tmp_path / "b"))


class Kill(Exception):
    """Stands for a process that ends in the middle of a step."""


@pytest.mark.parametrize("step", [1, 3, 4, 7, 11])
def test_resume_after_any_step_gives_the_same_bytes(tiny: str, tmp_path: Path, step: int) -> None:
    whole = run(tmp_path / "whole")
    source = make_source()
    killed = Toy(source.spec)

    def die(progress: Progress, noise: Noise) -> None:
        if progress.step == step:
            raise Kill

    killed.on_step_end = die  # type: ignore[method-assign]
    with pytest.raises(Kill):
        run(tmp_path / "cut", method=killed)
    resumed = run(tmp_path / "cut")
    assert equal(whole, resumed)
    steps = [json.loads(line)["step"] for line in (tmp_path / "cut" / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(1, whole.steps + 1))


def test_finished_run_returns_at_once(tiny: str, tmp_path: Path) -> None:
    first = run(tmp_path)
    before = (first.checkpoint / "manifest.json").stat().st_mtime_ns
    again = run(tmp_path)
    assert (again.steps, again.seconds) == (first.steps, pytest.approx(first.seconds))
    assert (again.checkpoint / "manifest.json").stat().st_mtime_ns == before


def test_a_run_that_ends_early_leaves_what_the_whole_one_had_there(tiny: str, tmp_path: Path) -> None:
    """The schedule is that of all epochs, so weights, optimiser and rate are those of the whole run at that point."""
    whole = run(tmp_path / "whole", settings(keep_checkpoints=9))
    ended = run(tmp_path / "ended", settings(stop_after=2))
    assert ended.steps == whole.steps // 2
    there = whole.checkpoint.parent / ended.checkpoint.name
    for file in ("model.safetensors", "optimiser.safetensors"):
        one, two = load_file(ended.checkpoint / file), load_file(there / file)
        assert one.keys() == two.keys()
        assert all(torch.equal(one[name], two[name]) for name in one)
    assert run(tmp_path / "ended", settings(stop_after=2)).checkpoint == ended.checkpoint
    assert run(tmp_path / "long", settings(stop_after=9)).steps == whole.steps


def test_a_run_is_not_continued_with_another_end(tiny: str, tmp_path: Path) -> None:
    run(tmp_path, settings(stop_after=2))
    with pytest.raises(CheckpointError, match=r"its train\.stop_after is 2, not None"):
        run(tmp_path)


def test_non_finite_step_changes_no_weight_and_writes_no_checkpoint(tiny: str, tmp_path: Path) -> None:
    source = make_source()
    method = Toy(source.spec)
    method.poison = 4
    with pytest.raises(RunError, match=r"step 5: .*'recover' is inf.*clip\d\d"):
        run(tmp_path, method=method)
    kept = latest(tmp_path)
    assert kept is not None
    assert kept.name == "step-00000003"
    assert all(torch.isfinite(value).all() for value in method.state_dict().values())
    assert equal(run(tmp_path), run(tmp_path / "other"))


@pytest.mark.parametrize("parts", [2, 3])
def test_accumulation_is_the_same_update(tiny: str, tmp_path: Path, parts: int) -> None:
    precision = Precision.fp64
    whole = run(tmp_path / "1", settings(batch_size=6), precision=precision)
    cut = run(tmp_path / "2", settings(batch_size=6, accumulate=parts), precision=precision)
    for name, value in weights(whole).items():
        torch.testing.assert_close(weights(cut)[name], value, rtol=0, atol=1e-9)


def test_accumulation_is_refused_where_clips_see_each_other(tiny: str, tmp_path: Path) -> None:
    method = Toy(make_source().spec)
    method.__class__ = type("Crossing", (Toy,), {"cross_batch": True})
    with pytest.raises(UsageError, match="accumulate"):
        run(tmp_path, settings(batch_size=6, accumulate=2), method=method)


def test_sgd_with_momentum_resumes_too(tiny: str, tmp_path: Path) -> None:
    train = settings(optimiser=Optimiser.sgd, lr=0.01, min_lr=0.001)
    whole = run(tmp_path / "a", train)
    method = Toy(make_source().spec)
    method.poison = 7
    with pytest.raises(RunError):
        run(tmp_path / "b", train, method)
    assert equal(whole, run(tmp_path / "b", train))


def test_decay_groups_leave_vectors_alone(tiny: str) -> None:
    groups = build_optimiser(Toy(make_source().spec).parameter_groups(), settings()).param_groups
    assert [(group["weight_decay"], [p.ndim for p in group["params"]]) for group in groups] == [(0.05, [2]), (0.0, [1])]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75), (signal.SIGUSR1, 75)])
def test_signal_saves_and_says_how_to_go_on(tiny: str, tmp_path: Path, number: int, code: int) -> None:
    whole = run(tmp_path / "whole")
    method = Toy(make_source().spec)

    def ask(progress: Progress, noise: Noise) -> None:
        if progress.step == 4:
            os.kill(os.getpid(), number)

    method.on_step_end = ask  # type: ignore[method-assign]
    handler = signal.getsignal(number)
    with pytest.raises(Interrupted) as caught:
        run(tmp_path / "cut", method=method)
    assert caught.value.exit_code == code
    assert signal.getsignal(number) is handler
    kept = latest(tmp_path / "cut")
    assert kept is not None
    assert kept.name == "step-00000005"
    assert equal(whole, run(tmp_path / "cut"))


def _train_share(rank: int, world: int, port: int, folder: str, plugins: str, data: str) -> None:
    os.environ.update(
        SSLSKEL_PLUGINS=plugins,
        SSLSKEL_DATA=data,
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(world),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        ACCELERATE_USE_CPU="1",
    )
    torch.set_num_threads(1)
    run(Path(folder), settings(batch_size=5, drop_last=False), precision=Precision.fp64)


@pytest.mark.long
def test_two_processes_train_as_one(tiny: str, data_folder: Path, tmp_path: Path) -> None:
    one = run(tmp_path / "one", settings(batch_size=5, drop_last=False), precision=Precision.fp64)
    plugins = os.environ["SSLSKEL_PLUGINS"]
    port = 20000 + os.getpid() % 20000
    context = torch.multiprocessing.get_context("spawn")
    arguments = [(rank, 2, port, str(tmp_path / "two"), plugins, str(data_folder)) for rank in range(2)]
    processes = [context.Process(target=_train_share, args=words) for words in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    both = latest(tmp_path / "two")
    assert both is not None
    for name, value in load_file(both / "model.safetensors").items():
        torch.testing.assert_close(value, weights(one)[name], rtol=0, atol=1e-9)
    losses = [
        [json.loads(line)["loss"] for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0, atol=1e-9)


def test_checkpoint_folder_of_another_run_is_refused(tiny: str, tmp_path: Path) -> None:
    run(tmp_path)
    source = make_source()
    with pytest.raises(UsageError, match="another run"):
        pretrain(
            Toy(source.spec),
            source,
            settings(),
            EngineConfig(device="cpu"),
            3,
            tmp_path,
            {"identity": "y"},
        )


def test_only_the_newest_checkpoints_are_kept(tiny: str, tmp_path: Path) -> None:
    run(tmp_path, settings(keep_checkpoints=2))
    assert len(list(tmp_path.glob("step-*"))) == 2


def test_readers_never_see_half_a_checkpoint(tmp_path: Path) -> None:
    tensors, stop = {"w": torch.zeros(200_000)}, threading.Event()
    faults: list[str] = []

    def watch() -> None:
        while not stop.is_set():
            whole = [path for path in tmp_path.glob("step-*") if path.name[5:].isdigit()]
            faults.extend(str(path) for path in whole if not (path / "manifest.json").exists() and path.exists())
            time.sleep(0.001)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for step in range(10):
        save_checkpoint(tmp_path, step, tensors, tensors, {"meta": {}}, keep=20)
    stop.set()
    watcher.join()
    assert not faults


def test_a_method_trained_again_keeps_its_mixed_precision(tiny: str, tmp_path: Path) -> None:
    """Accelerate marks a model that it has wrapped, and does not wrap a marked one."""
    source = make_source()
    method, seen = Toy(source.spec), []
    method.layer.register_forward_hook(lambda *_: seen.append(torch.is_autocast_enabled("cpu")))
    for name in ("first", "second"):
        run(tmp_path / name, method=method, precision=Precision.bf16)
        assert seen
        assert all(seen), name
        seen.clear()
