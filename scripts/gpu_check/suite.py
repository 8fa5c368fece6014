"""The tests that need a GPU."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from sections import Facts, Settings, checked

ROOT = Path(__file__).resolve().parents[2]
MARK = re.compile(r"pytest\.mark\.gpu\b")


def marked_tests(settings: Settings, seconds: float) -> Facts:
    """Those marked ``gpu``; without a GPU all of them are skipped, which shows that they are collected."""
    tests = sorted(path for path in (ROOT / "tests").rglob("test_*.py") if MARK.search(path.read_text("utf-8")))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "gpu", *map(str, tests)]
    done = subprocess.run(
        command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=max(60.0, seconds)
    )
    last = done.stdout.strip().splitlines()[-1:] or [done.stderr.strip()]
    files = [str(path.relative_to(ROOT)) for path in tests]
    return checked([f"tests ended with {done.returncode}"] if done.returncode else [], {"files": files, "end": last[0]})
