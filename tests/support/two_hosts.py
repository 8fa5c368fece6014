"""Two hosts on one machine: network namespaces joined by a cable, each with a network of its own.

``python two_hosts.py WORDS...`` runs ``sslskel WORDS`` on both, one rank each, through torchrun over gloo.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

ADDRESSES = ("10.213.77.1", "10.213.77.2")
PORT = 29577


def missing() -> str:
    """Why this machine gives no namespaces; empty where it does."""
    if shutil.which("ip") is None:
        return "no command 'ip' on this machine (Debian: iproute2)"
    name = f"sslskel-probe-{os.getpid()}"
    added = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if added.returncode:
        return f"network namespaces are not permitted here ({added.stderr.strip()})"
    subprocess.run(["ip", "netns", "delete", name], check=False)
    return ""


@contextmanager
def hosts() -> Iterator[list[str]]:
    """Names of two namespaces that reach each other and nothing else; gone afterwards."""
    names = [f"sslskel-{os.getpid()}-{side}" for side in "ab"]
    cables = [f"sk{os.getpid() % 100000}{side}" for side in "ab"]
    try:
        for name in names:
            _ip("netns", "add", name)
        _ip("link", "add", cables[0], "type", "veth", "peer", "name", cables[1])
        for name, cable, address in zip(names, cables, ADDRESSES, strict=True):
            _ip("link", "set", cable, "netns", name)
            _ip("-n", name, "link", "set", cable, "name", "cable")
            _ip("-n", name, "address", "add", f"{address}/24", "dev", "cable")
            for link in ("cable", "lo"):
                _ip("-n", name, "link", "set", link, "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def run(words: Sequence[str], environment: dict[str, str], timeout: float = 300) -> list[str]:
    """``sslskel WORDS`` on both hosts; returns what each wrote to stderr, raises where one failed."""
    env = {**environment, "GLOO_SOCKET_IFNAME": "cable"}
    with hosts() as names:
        processes = []
        for number, name in enumerate(names):
            torchrun = ["-m", "torch.distributed.run", "--nnodes=2", f"--node-rank={number}", "--nproc-per-node=1"]
            place = [f"--master-addr={ADDRESSES[0]}", f"--master-port={PORT}", "-m", "sslskel"]
            command = ["ip", "netns", "exec", name, sys.executable, *torchrun, *place, *words]
            processes.append(subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True))
        try:
            errors = [process.communicate(timeout=timeout)[1] for process in processes]
        finally:
            for process in processes:
                process.kill()
        if any(process.returncode for process in processes):
            raise RuntimeError("\n".join(errors))
    return errors


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


if __name__ == "__main__":
    print(missing() or "".join(run(sys.argv[1:], dict(os.environ))))
