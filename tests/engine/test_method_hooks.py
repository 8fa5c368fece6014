"""The hooks of a method on a timeline; epoch passes, banks, teachers and parts after a kill and on two processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_engine
import toy_hooks
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional
from toy_hooks import run

from sslskel.api.batch import Batch
from sslskel.api.method import Progress
from sslskel.api.noise import Noise
from sslskel.engine.checkpoint import latest
from sslskel.engine.initial import load_whole
from sslskel.engine.training_clips import SourceClips
from sslskel.errors import Interrupted, UsageError

SHORT = {"train": {"epochs": 2, "drop_last": True}}
"""5 steps in each of 2 epochs."""
KINDS = ("Clustered", "Banked", "Taught", "Contrasting", "Spread")


def weights(folder: Path) -> dict[str, Tensor]:
    step = latest(folder)
    assert step is not None
    return load_file(step / "model.safetensors")


def assert_same(one: Path, other: Path, tolerance: float = 0.0) -> None:
    mine, theirs = weights(one), weights(other)
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        torch.testing.assert_close(theirs[name], value, rtol=0, atol=tolerance, msg=name)


def in_processes(folder: Path, world: int, cases: list[dict[str, Any]], **surroundings: str) -> list[tuple[int, str]]:
    port = str(20000 + (os.getpid() * 7 + world) % 20000)
    processes = []
    for rank in range(world):
        env = {**os.environ, "OMP_NUM_THREADS": "1", **surroundings}
        if world > 1:
            env |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)}
            env |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        command = [sys.executable, toy_hooks.__file__, str(folder), json.dumps(cases)]
        processes.append(subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True))
    return [(process.returncode, error) for process in processes for error in [process.communicate(timeout=180)[1]]]


def test_hooks_come_in_their_order(tmp_path: Path) -> None:
    _, method = run(tmp_path, "Hooked", **SHORT)
    first, second = ([f"{when} {s}" for s in part for when in ("start", "end")] for part in (range(5), range(5, 10)))
    assert method.calls == ["load", "epoch 0", *first, "epoch 5", *second]


def test_progress_knows_clips_batch_and_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Progress] = []
    monkeypatch.setattr(toy_hooks.Hooked, "on_epoch_start", lambda self, clips, noise, progress: seen.append(progress))
    run(tmp_path, "Hooked", seed=4, **SHORT)
    assert [tuple(progress)[:6] for progress in seen] == [(0, 5, 2, 21, 4, 4), (5, 5, 2, 21, 4, 4)]


def test_a_continued_run_reads_no_file_and_starts_no_epoch_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = toy_hooks.Hooked.on_step_end

    def stop(self: Any, progress: Progress, noise: Noise) -> None:
        end(self, progress, noise)
        if progress.step == 6:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(toy_hooks.Hooked, "on_step_end", stop)
        with pytest.raises(Interrupted):
            run(tmp_path, "Hooked", **SHORT)
    _, method = run(tmp_path, "Hooked", **SHORT)
    assert method.calls == [f"{when} {step}" for step in (7, 8, 9) for when in ("start", "end")]
    assert run(tmp_path, "Hooked", **SHORT)[1].calls == []


def test_files_are_read_before_the_weights_to_start_from(tmp_path: Path) -> None:
    options = {"train": {"epochs": 1, "lr": 0.0, "min_lr": 0.0, "weight_decay": 0.0}}
    run(tmp_path / "first", "Taught", **options)
    assert (weights(tmp_path / "first")["foreign.network.0.weight"] == 0.125).all()
    start = dict(weights(tmp_path / "first"))
    step = latest(tmp_path / "first")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toy_hooks.Taught, "load_start", lambda self: self.foreign.network[0].weight.fill_(9.0))
        run(tmp_path / "second", "Taught", init=partial(load_whole, path=step), **options)
    assert torch.equal(weights(tmp_path / "second")["foreign.network.0.weight"], start["foreign.network.0.weight"])


@pytest.mark.parametrize("kind", [KINDS[0], *(pytest.param(kind, marks=pytest.mark.long) for kind in KINDS[1:])])
def test_a_kill_inside_an_epoch_leads_to_the_same_bytes(tmp_path: Path, kind: str) -> None:
    case = {"kind": kind, "train": {"epochs": 3, "drop_last": True}}
    [(code, _)] = in_processes(tmp_path / "cut", 1, [case], KILL="7")
    assert code == -signal.SIGKILL
    kept = latest(tmp_path / "cut" / "0")
    assert kept is not None
    assert kept.name == "step-00000005"
    run(tmp_path / "cut" / "0", **case)
    run(tmp_path / "whole", **case)
    assert_same(tmp_path / "whole", tmp_path / "cut" / "0")


@pytest.mark.parametrize("step", [0, 5, 6])
def test_a_stop_after_any_step_of_an_epoch_leads_to_the_same_bytes(
    tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = toy_hooks.Hooked.on_step_start

    def stop(self: Any, progress: Progress, noise: Noise) -> None:
        start(self, progress, noise)
        if progress.step == step:
            os.kill(os.getpid(), signal.SIGTERM)

    run(tmp_path / "whole", "Clustered", **SHORT)
    with monkeypatch.context() as patch:
        patch.setattr(toy_hooks.Hooked, "on_step_start", stop)
        with pytest.raises(Interrupted):
            run(tmp_path / "cut", "Clustered", **SHORT)
    run(tmp_path / "cut", "Clustered", **SHORT)
    assert_same(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.long
def test_two_processes_do_the_same(tmp_path: Path) -> None:
    cases: list[dict[str, Any]] = [{"kind": kind, "train": {"epochs": 3, "drop_last": True}} for kind in KINDS]
    cases += [
        {"kind": kind, "train": {"epochs": 3, "drop_last": True, "accumulate": 2}} for kind in ("Contrasting", "Spread")
    ]
    ended = in_processes(tmp_path / "two", 2, cases)
    assert [code for code, _ in ended] == [0, 0], ended
    for number, case in enumerate(cases):
        run(tmp_path / "one" / str(number), **case)
        assert_same(tmp_path / "one" / str(number), tmp_path / "two" / str(number), 1e-9)


def test_every_clip_is_assigned_and_constants_are_those_of_the_set(tmp_path: Path) -> None:
    run(tmp_path, "Clustered", **SHORT)
    kept = weights(tmp_path)
    assert set(kept["assigned"].tolist()) <= set(range(toy_hooks.CENTRES))
    assert len(kept["assigned"]) == toy_hooks.CLIPS
    whole = toy_engine.ToySource(toy_hooks.CLIPS, torch.float64)
    noise = Noise(3, 0).between_steps()
    rows = whole.batch(torch.arange(toy_hooks.CLIPS), "test", noise).tracks.flatten(0, 1).flatten(1)
    torch.testing.assert_close(kept["scale.mean"], rows.mean(0))
    torch.testing.assert_close(kept["scale.deviation"], rows.std(0, correction=0))


def test_training_clips_come_in_order_or_as_asked_and_without_labels() -> None:
    class Labelled(toy_engine.ToySource):
        def batch(self, positions: Tensor, view: Any, noise: Noise, outer: Any = ()) -> Batch:
            batch = super().batch(positions, view, noise, outer)
            return batch._replace(label=torch.arange(batch.num_clips))

    clips = SourceClips(Labelled(10))  # type: ignore[arg-type]
    view: Any = "test"
    batches = list(clips.batches(view, Noise(0), 4))
    assert [batch.position.tolist() for batch in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert all((batch.label == -1).all() for batch in batches)
    [some] = clips.batches(view, Noise(0), 4, torch.tensor([7, 2, 7]))
    assert some.position.tolist() == [7, 2, 7]
    assert torch.equal(some.key, torch.cat([batch.key for batch in batches])[[7, 2, 7]])
    assert (len(clips), clips.share().tolist()) == (10, list(range(10)))
    with pytest.raises(UsageError, match="batch of 0 clips"):
        list(clips.batches(view, Noise(0), 0))


def test_a_teacher_follows_by_its_schedule(tmp_path: Path) -> None:
    _, method = run(tmp_path, "Taught", **SHORT)
    assert isinstance(method, toy_hooks.Taught)
    teacher, student = method.teacher, method.student
    assert method.training
    assert not teacher.network.training
    assert not method.foreign.network.training
    assert not any(p.requires_grad for p in (*teacher.parameters(), *method.foreign.parameters()))
    before = {name: value.clone() for name, value in teacher.network.named_parameters()}
    teacher.follow(student, 0.75)
    for name, value in student.named_parameters():
        moved = dict(teacher.network.named_parameters())[name]
        torch.testing.assert_close(moved, 0.75 * before[name] + 0.25 * value)


def test_parts_are_contrasted_one_by_one(tmp_path: Path) -> None:
    """The same step by hand: the mean over both halves of a batch, each with its own negatives."""
    options: dict[str, Any] = {"epochs": 1, "batch_size": 8, "drop_last": True, "warmup_epochs": 0, "clip_norm": 0.0}
    options |= {"optimiser": "sgd", "momentum": 0.0, "weight_decay": 0.0, "schedule": "constant", "accumulate": 2}
    run(tmp_path, "Contrasting", train=options)
    method = toy_hooks.Contrasting(toy_engine.ToyConfig(), seed=3).double()
    plain = torch.optim.SGD(method.parameters(), lr=1e-2)
    source = toy_engine.ToySource(toy_hooks.CLIPS, torch.float64)
    order = Noise(3, 0).permutation("sampler.order", toy_hooks.CLIPS, per="batch")
    for step in range(2):
        batch = source.batch(order[step * 8 : step * 8 + 8], "train", Noise(3, step).view(0))
        halves = functional.normalize(method.features(batch), dim=1).split(4)
        loss = torch.stack([functional.cross_entropy(half @ half.T / 0.2, torch.arange(4)) for half in halves]).mean()
        plain.zero_grad()
        loss.backward()
        plain.step()
    for name, value in method.state_dict().items():
        torch.testing.assert_close(weights(tmp_path)[name], value, rtol=0, atol=1e-12, msg=name)


def test_parts_are_refused_where_negatives_are_the_whole_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy_hooks.Contrasting, "negatives_per_part", False)
    with pytest.raises(UsageError, match="see each other"):
        run(tmp_path, "Contrasting", train={"accumulate": 2})
    monkeypatch.setattr(toy_hooks.Contrasting, "negatives_per_part", True)
    monkeypatch.setattr("sslskel.engine.misfits.world_size", lambda: 3)
    with pytest.raises(UsageError, match=r"smallest part of a batch has 2 clips for 3 processes"):
        run(tmp_path, "Contrasting", train={"accumulate": 2, "drop_last": True})
