"""How Python is started for further processes of a command: what lies in the working folder is not imported.

``python -m`` and ``python -c`` put the working folder first on the import path, where a ``torch.py`` would take the
place of PyTorch. Python 3.11 has the switch ``-P`` against it; Python 3.10 has none.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

SAFE_PATH = "PYTHONSAFEPATH"
"""Environment variable that is ``-P`` for all processes that a process starts."""
_PLACE = str(Path(__file__).resolve().parents[2])
"""Where sslskel lies, for a checkout that is not installed; last on the path."""
_PATH = f"import sys; sys.path[:1] == [''] and sys.path.pop(0); {_PLACE!r} in sys.path or sys.path.append({_PLACE!r})"
_SSLSKEL = f"{_PATH}; from sslskel.cli import main; sys.exit(main())"
_MODULE = (
    f"{_PATH}; import runpy; sys.argv[:] = sys.argv[sys.argv.index('-m') + 1 :];"
    " runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)


def sslskel_command(*argv: str) -> list[str]:
    """The command line of ``sslskel`` with these arguments, in this interpreter."""
    return [sys.executable, *_switches(), "-c", _SSLSKEL, *argv]


def module_launcher() -> str:
    """What takes the place of ``python`` in a shell's ``python -m MODULE ...``."""
    return shlex.join([sys.executable, "-u", *_switches(), "-c", _MODULE])


def guard_children() -> None:
    """Let no process that this one starts look into the working folder first."""
    # Set and empty is the same to Python as not set.
    os.environ[SAFE_PATH] = "1"


def _switches() -> list[str]:
    return ["-P"] if sys.version_info >= (3, 11) else []
