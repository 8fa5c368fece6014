"""Starts the processes of one run on this machine through torch's elastic launch, and explains how they ended.

What the processes say to each other is in ``sslskel.api.distributed``; who notices that
one of them hangs is ``engine/heartbeat.py``.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sslskel.engine.interpreter import sslskel_command
from sslskel.engine.signals import INTERRUPTED, PREEMPTED
from sslskel.errors import Interrupted, RunError, SslskelError, UsageError
from sslskel.files import publish

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

LAUNCHED = "SSLSKEL_LAUNCHED"
"""Set in processes whose errors the launcher prints."""
ERROR_FILE = "TORCHELASTIC_ERROR_FILE"
CONTACT = "contact with another process was lost"
"""Begins the error of a process that is a victim; the cause is another's."""
SILENT = "has sent no heartbeat"
"""Part of the error of a process that noticed another one hanging; elastic launch kills that one in the end."""
FINAL = frozenset({2, PREEMPTED, INTERRUPTED})
"""Exit codes after which starting again would end in the same way."""


def is_launched() -> bool:
    """True in a process that a launcher (ours, torchrun, accelerate) started as one of several."""
    return "RANK" in os.environ


def check_processes(processes: int, max_restarts: int) -> None:
    """Raise ``UsageError`` for numbers that mean nothing, or where several processes were started already."""
    if processes < 1:
        raise UsageError(f"--processes {processes} is not a number of processes; give 1 or more")
    if max_restarts < 0:
        raise UsageError(f"--max-restarts {max_restarts} is not a number of restarts; give 0 or more")
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if is_launched() and LAUNCHED not in os.environ and processes > 1 and world != processes:
        raise UsageError(
            f"--processes {processes} was given to a command that a launcher has already started {world} times;"
            " leave it out"
        )


def run_processes(argv: Sequence[str], processes: int, max_restarts: int = 0) -> None:
    """Run ``python -m sslskel ARGV`` in ``processes`` processes until all have ended well.

    A run that lost a process is started again up to ``max_restarts`` times and goes on from
    its newest checkpoint. Raises what the first failing process raised, as one sentence:
    ``RunError`` naming a lost process, ``UsageError``, or ``Interrupted`` after a signal.
    """
    for attempt in range(max_restarts + 1):
        fault = start_once(argv, processes)
        if fault is None:
            return
        if fault.exit_code in FINAL or attempt == max_restarts:
            raise fault
        print(
            f"sslskel: {fault}; starting again from the newest checkpoint ({attempt + 1} of {max_restarts})",
            file=sys.stderr,
            flush=True,
        )


def tell_launcher(fault: SslskelError) -> bool:
    """Leave an error where the launcher looks for it; False where the caller must print it instead."""
    place = os.environ.get(ERROR_FILE)
    if place is None:
        return False
    content = {"message": {"message": str(fault), "extraInfo": {"timestamp": str(int(time.time()))}}}
    try:
        publish(Path(place), json.dumps(content).encode(), replace_existing=True)
    except OSError:
        return False
    # torchrun and accelerate show the file among much else; a person should see the sentence as well.
    return LAUNCHED in os.environ


@contextlib.contextmanager
def _added(environment: Mapping[str, str]) -> Iterator[None]:
    """Within, what is not set already is set for processes that are started."""
    added = {name: value for name, value in environment.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def start_once(argv: Sequence[str], processes: int) -> SslskelError | None:
    """One start of all processes; None where all ended well."""
    from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    _hush("torch.distributed.elastic")
    with _added(_environment(processes)), tempfile.TemporaryDirectory(prefix="sslskel-processes-") as logs:
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=processes,
            run_id=f"sslskel-{os.getpid()}",
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(log_dir=logs),
        )

        def stop(number: int, _: Any) -> None:
            # Without SIGUSR1 among its own, the elastic agent would die of it and leave the processes alone.
            raise SignalException("asked to stop", signal.Signals(number))

        before = signal.signal(signal.SIGUSR1, stop)
        try:
            program, *arguments = sslskel_command(*argv)
            elastic_launch(config, program)(*arguments)
        except ChildFailedError as fault:
            return first_fault(fault.failures)
        except SignalException as fault:
            stopped = Interrupted(_last_words(Path(logs)) or "stopped on request; the same command continues")
            stopped.exit_code = INTERRUPTED if fault.sigval == signal.SIGINT else PREEMPTED
            return stopped
        finally:
            signal.signal(signal.SIGUSR1, before)
    return None


def _environment(processes: int) -> dict[str, str]:
    """The cores of this machine shared out evenly, unless the environment sets another number."""
    return {LAUNCHED: "1", "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // processes))}


def first_fault(failures: Mapping[int, ProcessFailure]) -> SslskelError:
    """The error of the process that failed first, not of those that it took along."""
    rank, failure = min(failures.items(), key=lambda pair: (_victim(pair[1]), pair[1].timestamp, pair[0]))
    code = int(failure.exitcode)
    if code < 0:
        name = signal.Signals(-code).name
        cause = ", as the system does when memory runs out" if name == "SIGKILL" else ""
        return RunError(f"process {rank} of the run was killed by {name}{cause}; all others were stopped")
    message: object = failure.message
    sentence = message.get("message", "") if isinstance(message, dict) else ""
    if not sentence:
        sentence = f"process {rank} of the run ended with exit code {code}; its last lines above say why"
    fault = SslskelError(sentence)
    fault.exit_code = code
    return fault


def _victim(failure: ProcessFailure) -> int:
    """0 for what something from outside ended, 1 for a process with a fault of its own, 2 for their victims."""
    code = int(failure.exitcode)
    if SILENT in str(failure.message):
        return -1
    if code < 0:
        return 2 if -code in (signal.SIGTERM, signal.SIGABRT) else 0
    return 2 if CONTACT in str(failure.message) or code == PREEMPTED else 1


def _last_words(logs: Path) -> str:
    """Last message of the first process, by rank, that was stopped; empty where none left one."""
    for path in sorted(logs.rglob("error.json"), key=lambda path: int(path.parent.name)):
        with contextlib.suppress(OSError, ValueError, KeyError):
            return str(json.loads(path.read_text(encoding="utf-8"))["message"]["message"])
    return ""


def _hush(prefix: str) -> None:
    """Keep the launcher's own log lines off the terminal; each of its loggers has a level of its own."""
    for name in [name for name in logging.root.manager.loggerDict if name.startswith(prefix)]:
        logging.getLogger(name).setLevel(logging.CRITICAL)
