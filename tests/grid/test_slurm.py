"""Grids through SLURM: an array of tasks, preempted, queued again and finished; options and errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import slurm_cluster
from safetensors.torch import load_file

from sslskel.engine.interpreter import module_launcher, sslskel_command
from sslskel.errors import RunError, UsageError
from sslskel.grid.request import GridRequest
from sslskel.grid.slurm import LauncherConfig, Task, split_overrides, submit

TINY = ["--benchmark", "tiny", "--protocol", "knn", "--device", "cpu"]
SMALL = ["launcher.cpus=1", "launcher.memory_gb=0.5", "launcher.hours=0.5"]


def test_options_of_the_launcher_are_no_options_of_the_run() -> None:
    rest, config = split_overrides(["train.epochs=3", "launcher.hours=1.5", "launcher.partition=gpu"], "")
    assert rest == ["train.epochs=3"]
    assert (config.hours, config.partition, config.cpus) == (1.5, "gpu", LauncherConfig().cpus)
    with pytest.raises(UsageError, match=r"no option 'launcher\.hour'; did you mean 'hours'"):
        split_overrides(["launcher.hour=1"], "")
    with pytest.raises(UsageError, match=r"launcher\.hours is -1"):
        split_overrides(["launcher.hours=-1"], "")
    with pytest.raises(UsageError, match="launcher"):
        split_overrides(["launcher.cpus=many"], "")


def test_a_task_runs_its_command_and_fails_with_it() -> None:
    assert Task([sys.executable, "-c", "import os; assert os.environ['SEEN'] == 'yes'"], {"SEEN": "yes"})() == 0
    with pytest.raises(RunError, match="exit code 3"):
        Task([sys.executable, "-c", "raise SystemExit(3)"], {})()


def test_without_submitit_or_slurm_it_is_one_sentence(sslskel) -> None:  # type: ignore[no-untyped-def]
    done = sslskel("bench", *TINY, "--method", "random_init", "--launcher", "slurm", PATH="/nowhere")
    assert done.returncode == 2
    assert "--launcher slurm" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_submitit_s_local_executor_runs_a_task(tmp_path: Path) -> None:
    """What a machine without SLURM can try of the way to it."""
    submitit = pytest.importorskip("submitit", reason="submitit is not installed (the extra 'slurm')")
    executor = submitit.LocalExecutor(folder=tmp_path)
    executor.update_parameters(timeout_min=2)
    assert executor.submit(Task([sys.executable, "-c", ""], {})).result() == 0


def fake_submitit(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """Tasks that are handed over lie in the list, and nothing runs them."""
    tasks: list[Task] = []
    executor = SimpleNamespace(
        batch=nullcontext,
        update_parameters=lambda **of: None,
        submit=lambda task: tasks.append(task) or SimpleNamespace(job_id=f"7_{len(tasks)}"),
    )
    monkeypatch.setitem(sys.modules, "submitit", SimpleNamespace(AutoExecutor=lambda **of: executor))
    return tasks


@pytest.mark.parametrize(("gpus", "device", "told"), [(0, "auto", True), (1, "auto", False), (0, "cpu", False)])
def test_tasks_without_a_gpu_are_not_given_to_cpus_in_silence(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpus: int, device: str, told: bool
) -> None:
    fake_submitit(monkeypatch)
    lines: list[str] = []
    request = GridRequest(
        methods=("random_init",),
        protocols=("knn",),
        benchmarks=(tiny,),
        output=tmp_path / "runs",
        overrides=(f"engine.device={device}",),
    )
    heard = SimpleNamespace(line=lines.append, step=lambda *_, **__: None)
    submit(request, LauncherConfig(gpus=gpus), cluster="local", reporter=heard)
    assert any("launcher.gpus is 0" in line for line in lines) is told


def test_only_the_same_cells_wait_already(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other options or protocols of the same method, benchmark and seed are other cells."""
    tasks = fake_submitit(monkeypatch)
    squeue = tmp_path / "bin" / "squeue"
    squeue.parent.mkdir()
    squeue.write_text(f"#!/bin/sh\ncat {tmp_path}/queue\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", str(squeue.parent), prepend=os.pathsep)

    def handed(protocols: list[str], *overrides: str) -> tuple[int, int]:
        request = GridRequest(
            methods=("mamp",),
            protocols=tuple(protocols),
            benchmarks=(tiny,),
            output=tmp_path / "runs",
            overrides=overrides,
        )
        (tmp_path / "queue").write_text("".join(f"7_{number + 1}\n" for number in range(len(tasks))))
        submitted = submit(request, LauncherConfig())
        return len(submitted.jobs), submitted.waiting

    assert handed(["knn"]) == (1, 0)
    assert handed(["knn"]) == (0, 1)
    assert handed(["knn"], "train.epochs=7") == (1, 0)
    assert handed(["knn", "linear"]) == (1, 0)
    assert handed(["linear"]) == (0, 1)
    assert handed(["knn"], "train.epochs=7") == (0, 1)
    assert "train.epochs=7" in tasks[1].command


def test_tasks_are_started_apart_from_the_working_folder(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = fake_submitit(monkeypatch)
    asked: dict[str, Any] = {}
    executor = sys.modules["submitit"].AutoExecutor
    monkeypatch.setattr(sys.modules["submitit"], "AutoExecutor", lambda **of: asked.update(of) or executor(**of))
    request = GridRequest(methods=("mamp",), protocols=("knn",), benchmarks=(tiny,), output=tmp_path / "runs")
    assert len(submit(request, LauncherConfig()).jobs) == 1
    assert asked["slurm_python"] == module_launcher()
    assert tasks[0].command[: len(sslskel_command())] == sslskel_command()


@pytest.fixture(scope="module")
def slurm() -> Iterator[slurm_cluster.Cluster]:
    """A cluster of this machine's own; skips where it cannot be had."""
    pytest.importorskip("submitit", reason="submitit is not installed (the extra 'slurm')")
    if reason := slurm_cluster.missing():
        pytest.skip(reason)
    # munge refuses a socket below a folder that others may not enter, as those of pytest are.
    with tempfile.TemporaryDirectory(prefix="sslskel-slurm-") as folder:
        Path(folder).chmod(0o755)
        one = slurm_cluster.Cluster(Path(folder))
        try:
            one.start()
            yield one
        finally:
            one.stop()


def bench(slurm: slurm_cluster.Cluster, env: dict[str, str], output: Path, *words: str, verb: str = "bench") -> str:
    command = [sys.executable, "-m", "sslskel", verb, *TINY, "--results", str(output), *words]
    done = subprocess.run(
        command, env={**env, **slurm.env, **env_of(env)}, capture_output=True, text=True, timeout=1200
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def env_of(env: dict[str, str]) -> dict[str, str]:
    """The settings of the tests; the cluster's environment is that of this process otherwise."""
    return {name: env[name] for name in ("SSLSKEL_PLUGINS", "SSLSKEL_DATA", "OMP_NUM_THREADS")}


def wait(condition, slurm: slurm_cluster.Cluster, seconds: float = 600) -> None:  # type: ignore[no-untyped-def]
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, slurm.run("squeue") + (slurm.folder / "slurmctld.log").read_text()[-3000:]
        time.sleep(0.5)


@pytest.mark.long
def test_an_array_does_a_grid_once(slurm: slurm_cluster.Cluster, tmp_path: Path, command_env: dict[str, str]) -> None:
    grid = ["--method", "mamp,random_init", "--seeds", "2", "--launcher", "slurm", *SMALL]
    assert "4 tasks handed to SLURM" in bench(slurm, command_env, tmp_path, *grid)
    again = bench(slurm, command_env, tmp_path, *grid)
    assert "0 tasks handed to SLURM" in again, "what waits, runs or has ended is not handed over twice"
    wait(lambda: len(list(tmp_path.glob("records/*.json"))) == 4, slurm)
    assert "0 tasks handed to SLURM, 0 already there, 4 cells" in bench(slurm, command_env, tmp_path, *grid)


@pytest.mark.long
def test_a_preempted_task_is_queued_again_and_ends_with_the_same_bytes(
    slurm: slurm_cluster.Cluster, tmp_path: Path, command_env: dict[str, str]
) -> None:
    run = ["--method", "mamp", "train.epochs=600", "train.checkpoint_epochs=600", "engine.threads=1"]
    handed = bench(slurm, command_env, tmp_path / "cut", *run, "--launcher", "slurm", *SMALL, "launcher.partition=low")
    assert "1 tasks handed" in handed
    metrics = tmp_path / "cut" / "pretrain"
    wait(lambda: any(metrics.glob("*/metrics.jsonl")), slurm)
    time.sleep(2)
    assert not any(metrics.glob("*/step-*")), "a checkpoint is there that no signal asked for"
    other = ["sbatch", "--partition=high", "--exclusive", "--output=/dev/null", "--wrap=sleep 5"]
    slurm.run(*other)
    wait(lambda: any(metrics.glob("*/step-*")), slurm)
    wait(lambda: any((tmp_path / "cut").glob("records/*.json")), slurm)
    [task] = json.loads((tmp_path / "cut" / "slurm" / "jobs.json").read_text()).values()
    assert "Restarts=1" in slurm.run("scontrol", "show", "job", task), "SLURM itself queued it again, once"
    bench(slurm, command_env, tmp_path / "whole", *run)
    one, two = (
        load_file(max((tmp_path / name).glob("pretrain/*/step-*")) / "model.safetensors") for name in ("cut", "whole")
    )
    assert all((one[name] == value).all() for name, value in two.items())


@pytest.mark.long
def test_a_sweep_is_one_array(slurm: slurm_cluster.Cluster, tmp_path: Path, command_env: dict[str, str]) -> None:
    words = ["--method", "mamp", "method.tau=0.5,0.8", "--launcher", "slurm", *SMALL]
    assert "2 tasks handed to SLURM" in bench(slurm, command_env, tmp_path, *words, verb="sweep")
    wait(lambda: len(list(tmp_path.glob("records/*.json"))) == 2, slurm)
    records = [json.loads(path.read_text()) for path in tmp_path.glob("records/*.json")]
    assert sorted(record["config"]["method"]["tau"] for record in records) == [0.5, 0.8]


@pytest.fixture
def stages(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Folders of plugins, among them two methods that share a first stage."""
    folder = tmp_path / "staged" / "configs" / "method"
    folder.mkdir(parents=True)
    for name, tau in (("gentle", 0.8), ("sharp", 0.4)):
        second = f"{{method: mamp, epochs: 1, config: {{tau: {tau}}}}}"
        (folder / f"{name}.yaml").write_text(f"stages: [{{method: skeletonmae, epochs: 2}}, {second}]\n")
    folders = os.pathsep.join([os.environ["SSLSKEL_PLUGINS"], str(tmp_path / "staged")])
    monkeypatch.setenv("SSLSKEL_PLUGINS", folders)
    return folders


def staged_runs(output: Path) -> list[str]:
    return sorted(path.name.partition("-")[0] for path in (output / "pretrain").iterdir())


@pytest.mark.long
def test_tasks_of_methods_with_a_common_first_stage_pretrain_it_once(
    slurm: slurm_cluster.Cluster, tmp_path: Path, command_env: dict[str, str], stages: str
) -> None:
    grid = ["--method", "gentle,sharp", "--launcher", "slurm", *SMALL]
    env = {**command_env, "SSLSKEL_PLUGINS": stages}
    assert "2 tasks handed to SLURM" in bench(slurm, env, tmp_path / "runs", *grid)
    wait(lambda: len(list(tmp_path.glob("runs/records/*.json"))) == 2, slurm)
    assert staged_runs(tmp_path / "runs") == ["gentle", "sharp", "skeletonmae"]
    assert "0 tasks handed to SLURM, 0 already there, 2 cells" in bench(slurm, env, tmp_path / "runs", *grid)


@pytest.mark.long
def test_the_stages_of_a_method_are_one_task(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stages: str
) -> None:
    tasks = fake_submitit(monkeypatch)
    request = GridRequest(methods=("gentle",), protocols=("knn",), benchmarks=(tiny,), output=tmp_path / "runs")
    assert len(submit(request, LauncherConfig()).jobs) == 1
    [task] = tasks
    assert task() == 0
    assert staged_runs(tmp_path / "runs") == ["gentle", "skeletonmae"]
    assert len(submit(request, LauncherConfig()).jobs) == 0
