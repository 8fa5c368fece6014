"""What a number was made with: versions, hardware, state of the code, and the command that was typed."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from typing import TypedDict

from sslskel.engine.device import hardware
from sslskel.version import CHECKOUT, __version__

COMMAND = "SSLSKEL_COMMAND"
"""Environment variable in which a command that starts others hands on what was typed."""
PACKAGES = ("torch", "accelerate", "hydra-core", "numpy", "scikit-learn", "safetensors")
GIT_SECONDS = 30.0


class CodeVersion(TypedDict):
    """State of the code that runs."""

    commit: str
    dirty: bool
    """Whether there were changes that are not committed."""


def environment(device: str) -> dict[str, object]:
    """Versions, hardware and code state that a number was made with."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "sslskel": __version__,
        "python": platform.python_version(),
        **versions,
        **hardware(),
        "device": device,
        **code_version(),
    }


def code_version() -> CodeVersion:
    """Of the checkout that runs; empty for a wheel."""
    if not (CHECKOUT / ".git").exists():
        return {"commit": "", "dirty": False}
    try:
        commit, changed = _git("rev-parse", "HEAD"), _git("status", "--porcelain")
    except (OSError, subprocess.SubprocessError):
        return {"commit": "", "dirty": False}
    return {"commit": commit, "dirty": bool(changed)}


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(CHECKOUT), *arguments], capture_output=True, text=True, timeout=GIT_SECONDS, check=True
    )
    return done.stdout.strip()


def command_line() -> str:
    """The command that runs, as typed."""
    return os.environ.get(COMMAND) or shlex.join(["sslskel", *sys.argv[1:]])
