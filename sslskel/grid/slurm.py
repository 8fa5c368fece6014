"""Hands a grid to SLURM through submitit: an array with one task per pretraining and its protocols.

A task is an ordinary ``sslskel bench`` command, so one that is preempted or runs out of time
is queued again and goes on from its checkpoint. What is due is decided in ``sslskel.grid.jobs``.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sslskel.config.compose import from_plain
from sslskel.config.groups import require
from sslskel.engine.interpreter import module_launcher
from sslskel.engine.provenance import COMMAND, command_line
from sslskel.engine.signals import PREEMPTED
from sslskel.errors import RunError, UsageError, did_you_mean
from sslskel.files import publish, read_json, writing_in
from sslskel.grid.jobs import find_jobs, job_command
from sslskel.grid.request import GridRequest
from sslskel.plugins.presets import read_preset
from sslskel.progress import SILENT, Reporter

GROUP = "launcher"
SAVE_SECONDS = 60.0
"""How long a task may take to write its checkpoint once SLURM asks; submitit asks 90 s before the end."""


@dataclass
class LauncherConfig:
    """What each task asks SLURM for; ``launcher.*`` in a preset or on the command line."""

    hours: float = 24.0
    """Time limit of a task; one that reaches it is queued again."""
    timeouts: int = 20
    """How often a task may reach its limit before it counts as failed."""
    partition: str = ""
    account: str = ""
    qos: str = ""
    cpus: int = 4
    gpus: int = 0
    memory_gb: float = 8.0
    tasks_at_once: int = 256
    array: int = 1000
    """Largest array; SLURM's own limit (MaxArraySize) is 1001 by default."""

    def __post_init__(self) -> None:
        require(self.hours > 0, f"launcher.hours is {self.hours}; it must be positive")
        for name in ("cpus", "tasks_at_once", "array"):
            require(getattr(self, name) >= 1, f"launcher.{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("gpus", "timeouts", "memory_gb"):
            require(getattr(self, name) >= 0, f"launcher.{name} is {getattr(self, name)}; it must not be negative")


@dataclass(frozen=True)
class Submitted:
    """What was submitted."""

    jobs: dict[str, str]
    """Title of each task -> its SLURM id."""
    waiting: int
    """Tasks of an earlier call that SLURM still has, and which were not submitted again."""
    reused: int
    """Cells that have a record."""


class Task:
    """One command, as submitit calls it on a node; started again, it goes on."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.command, self.environment = list(command), dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> int:
        """Run the command to its end; raises ``RunError`` where it fails."""
        # In the task's own process group: what SLURM sends to it reaches the command as well.
        self._process = subprocess.Popen(self.command, env={**os.environ, **self.environment})
        code = self._process.wait()
        if code == PREEMPTED:
            requeue()
        if code:
            raise RunError(f"the command ended with exit code {code}; its output above says why")
        return code

    def checkpoint(self) -> Any:
        """What submitit calls when time is nearly up: save, and return what to queue again."""
        from submitit.helpers import DelayedSubmission

        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(SAVE_SECONDS)
        return DelayedSubmission(Task(self.command, self.environment))


def requeue() -> None:
    """Put this task back into SLURM's queue, which ends it; nothing outside SLURM."""
    own = os.environ.get("SLURM_JOB_ID")
    if own is not None:
        subprocess.run(["scontrol", "requeue", own], check=False)


def split_overrides(overrides: Sequence[str], preset: str) -> tuple[list[str], LauncherConfig]:
    """Overrides without those of ``launcher``, and the launcher as the preset and they set it."""
    values: dict[str, Any] = dict(read_preset(preset).get(GROUP, {})) if preset else {}
    rest = []
    for override in overrides:
        name, _, value = override.partition("=")
        if not name.startswith(f"{GROUP}."):
            rest.append(override)
            continue
        key = name.removeprefix(f"{GROUP}.")
        if key not in LauncherConfig.__dataclass_fields__:
            raise UsageError(
                f"there is no option '{name}'{did_you_mean(key, LauncherConfig.__dataclass_fields__)}"
                f" (there are: {', '.join(LauncherConfig.__dataclass_fields__)})"
            )
        values[key] = value
    config = from_plain(LauncherConfig, values, GROUP)
    return rest, config


def submit(
    request: GridRequest, config: LauncherConfig, *, cluster: str = "slurm", reporter: Reporter = SILENT
) -> Submitted:
    """Hand over what is due and not waiting already; returns at once.

    Logs and submitit's files go to ``RESULTS/slurm``. Raises ``UsageError`` where submitit or
    SLURM is missing or a cell does not fit, ``RunError`` where SLURM refuses.
    """
    executor = _executor(request.output / "slurm", config, cluster)
    grid = find_jobs(request, reporter)
    for failure in grid.failures:
        reporter.line(f"left out: {failure}")
    ledger = request.output / "slurm" / "jobs.json"
    known = _read(ledger)
    alive = _alive() if cluster == "slurm" else set()
    jobs = [job for job in grid.jobs if any(known.get(identity) not in alive for identity in job.identities)]
    cells = [cell for job in jobs for cell in job.cells.values()]
    if not config.gpus and any(cell.resolved.engine.device == "auto" for cell in cells):
        reporter.line("launcher.gpus is 0, so engine.device=auto means a CPU; for GPUs set launcher.gpus=1")
    tasks = [Task(job_command(job), {COMMAND: command_line()}) for job in jobs]
    ids: dict[str, str] = {}
    for first in range(0, len(tasks), config.array):
        part = tasks[first : first + config.array]
        try:
            with executor.batch():
                handed = [executor.submit(task) for task in part]
        except Exception as fault:
            raise RunError(f"SLURM took {len(ids)} of {len(tasks)} tasks and rejected the next: {fault}") from fault
        for job, one in zip(jobs[first:], handed, strict=False):
            ids[job.title] = str(one.job_id)
            known |= dict.fromkeys(job.identities, str(one.job_id))
        with writing_in(ledger.parent, "the numbers of the SLURM jobs"):
            publish(ledger, (json.dumps(known, indent=1) + "\n").encode(), replace_existing=True)
        reporter.line(f"{len(ids)} of {len(tasks)} tasks handed to SLURM")
    due = {identity for job in grid.jobs for identity in job.identities}
    reused = sum(identity not in due for identity in grid.identities)
    return Submitted(ids, len(grid.jobs) - len(jobs), reused)


def _executor(folder: Path, config: LauncherConfig, cluster: str) -> Any:
    try:
        import submitit
    except ImportError as fault:
        raise UsageError(
            "--launcher slurm needs a package that is not installed: `pip install 'sslskel[slurm]'`"
        ) from fault
    try:
        executor = submitit.AutoExecutor(
            folder=folder,
            cluster=cluster,
            slurm_max_num_timeout=config.timeouts,
            **{f"{cluster}_python": module_launcher()},
        )
    except RuntimeError as fault:
        raise UsageError(
            f"--launcher slurm finds no SLURM on this machine ({fault}); give it on a login node"
        ) from fault
    slurm = {name: value for name in ("partition", "account", "qos") if (value := asdict(config)[name])}
    executor.update_parameters(
        timeout_min=max(1, round(config.hours * 60)),
        cpus_per_task=config.cpus,
        gpus_per_node=config.gpus,
        mem_gb=config.memory_gb,
        name="sslskel",
        slurm_array_parallelism=config.tasks_at_once,
        slurm_additional_parameters={"requeue": True},
        **{f"slurm_{name}": value for name, value in slurm.items()},
    )
    return executor


def _read(ledger: Path) -> dict[str, str]:
    try:
        content = read_json(ledger)
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in content.items()} if isinstance(content, dict) else {}


def _alive() -> set[str]:
    """Ids of all tasks that SLURM has in its queue or runs."""
    listed = subprocess.run(["squeue", "--noheader", "--array", "--format=%i"], capture_output=True, text=True)
    return set(listed.stdout.split())
