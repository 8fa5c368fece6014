"""sslskel: a benchmark framework for self-supervised learning on 3D human skeletons.

Everything the command does is one call here: ``bench``, ``pretrain``, ``evaluate``,
``embed``, ``load_encoder``, ``speed``, ``speed_against``, ``mode_overrides``, ``plan``,
``board_of``, ``list_runs``, ``prune``, ``prepare``, ``open_benchmark``, ``import_dataset``,
``draw_clip``, ``new_method``. They are imported when first used.
"""

import importlib
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

# A bare checkout keeps methods/, benchmarks/ and configs/ beside this package; the wheel has them inside.
_root = Path(__file__).resolve().parent.parent
if not (_root / "sslskel" / "methods").is_dir() and (_root / "methods").is_dir():
    __path__.append(str(_root))

_CALLS = {
    "bench": "grid.run",
    "pretrain": "grid.run",
    "evaluate": "grid.run",
    "BenchResult": "grid.run",
    "embed": "encoders.embed",
    "load_encoder": "encoders.open",
    "open_encoders": "encoders.open",
    "speed": "speed",
    "speed_against": "speed",
    "mode_overrides": "config.modes",
    "plan": "speed.estimate",
    "board_of": "leaderboard.folder",
    "list_runs": "grid.runs",
    "prune": "grid.runs",
    "prepare": "data.prepare",
    "open_benchmark": "data.prepare",
    "import_dataset": "data.own.importing",
    "draw_clip": "data.drawing.draw",
    "new_method": "plugins.scaffold",
}


def __getattr__(name: str) -> Any:
    if name not in _CALLS:
        raise AttributeError(f"module 'sslskel' has no attribute '{name}'")
    return getattr(importlib.import_module(f"sslskel.{_CALLS[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_CALLS])
