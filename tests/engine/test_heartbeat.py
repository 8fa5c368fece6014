"""Ending while the thread that watches the other processes is in the middle of a beat."""

from __future__ import annotations

import subprocess
import sys

ENDING = """
import os, sys, time
from torch.distributed import TCPStore
from sslskel.engine import heartbeat

heartbeat.rank, heartbeat.world_size, heartbeat.BEAT_SECONDS = lambda: 0, lambda: 2, 0.0
children = []
for _ in range(6):
    child = os.fork()
    if not child:
        store = TCPStore("127.0.0.1", 0, 1, True, wait_for_workers=False)
        heartbeat.shared_store = lambda name: store
        heartbeat.start_heartbeat()
        time.sleep(0.05)
        sys.exit(3)
    children.append(child)
print(*[os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


def test_a_process_that_ends_in_a_beat_keeps_its_exit_code() -> None:
    done = subprocess.run([sys.executable, "-c", ENDING], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["3"] * 6, done.stderr
