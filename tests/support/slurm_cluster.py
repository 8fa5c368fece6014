"""A SLURM of one node on this machine, with daemons of its own in one folder: munged, slurmctld, slurmd.

Two partitions, of which ``high`` preempts ``low`` by putting its tasks back into the queue.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
CONF = """
ClusterName=test
SlurmctldHost={host}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
SchedulerParameters=requeue_delay=0,bf_interval=5
NodeName={host} CPUs=2 RealMemory=1500 State=UNKNOWN
PartitionName=low Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=30
PartitionName=high Nodes={host} MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""


def missing() -> str:
    """Why no cluster can be had here; empty where one can."""
    lacking = [name for name in DAEMONS if shutil.which(name, path=PATH) is None]
    if lacking:
        return f"no {', '.join(lacking)} on this machine (Debian: slurm-wlm, munge)"
    return "" if os.geteuid() == 0 else "SLURM's daemons are started as root"


class Cluster:
    """Daemons that run between :meth:`start` and :meth:`stop`; ``env`` makes SLURM's commands find them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {**os.environ, "PATH": PATH, "SLURM_CONF": str(folder / "slurm.conf")}

    def start(self) -> None:
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        conf = CONF.format(folder=self.folder, host=socket.gethostname().split(".")[0], ports=_free_ports())
        (self.folder / "slurm.conf").write_text(conf)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        places = [f"--{what}-file={self.folder}/munge.{what}" for what in ("key", "pid", "log", "seed")]
        self.run("munged", "--force", f"--socket={self.folder}/munge.socket", *places)
        for daemon in ("slurmctld", "slurmd"):
            self.run(daemon, "-f", str(self.folder / "slurm.conf"))
        until = time.monotonic() + 60
        while "idle" not in self.run("sinfo", "--noheader", "--format=%T"):
            if time.monotonic() > until:
                raise RuntimeError((self.folder / "slurmctld.log").read_text()[-2000:])
            time.sleep(0.5)

    def stop(self) -> None:
        subprocess.run(["scancel", "--user=root"], env=self.env, check=False)
        for name in ("slurmd", "slurmctld", "munge"):
            pid = self.folder / f"{name}.pid"
            if pid.exists():
                daemon = int(pid.read_text())
                os.kill(daemon, signal.SIGTERM)
                # It writes its state as it ends, into a folder that is about to be removed.
                until = time.monotonic() + 30
                while Path(f"/proc/{daemon}").exists() and time.monotonic() < until:
                    time.sleep(0.1)

    def run(self, *words: str) -> str:
        """What a command prints; raises where it fails."""
        done = subprocess.run(words, env=self.env, capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout


def _free_ports() -> list[int]:
    probes = [socket.socket() for _ in range(2)]
    for probe in probes:
        probe.bind(("", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports
