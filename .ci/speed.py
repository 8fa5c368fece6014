"""Compares speed ratios of a small configuration with the committed ones; for information, it never fails.

Ratios of processor times in bracketed pairs vary little on a busy machine, but they do vary. Without arguments the
script prints and exits with 0; ``--write`` measures and writes new figures to ``speed.json`` beside it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

FIGURES = Path(__file__).with_name("speed.json")
SLACK = 0.7
"""Share of the committed ratio below which a ratio is marked as slower."""
SMALL = ("train.batch_size=4", "clip.frames=32", "clip.min_frames=32", "engine.device=cpu", "engine.threads=1")


def measured() -> dict[str, float]:
    """Median ratios of processor time by name."""
    from sslskel import GridRequest
    from sslskel.speed import speed_against

    report = speed_against(GridRequest(methods=("mamp",), preset="quick", overrides=SMALL))
    works = report["works"]
    ratios = {
        f"{work} ({report['mode']})": part["cpu_ratio"]["median"] for work, part in works.items() if part["equal"]
    }
    memory = works["step"].get("memory")
    return {**ratios, **({"memory of a step": memory["ratio"]} if memory else {})}


def main() -> int:
    """Print every ratio beside the committed one."""
    ratios = measured()
    if "--write" in sys.argv:
        FIGURES.write_text(json.dumps({name: round(value, 2) for name, value in ratios.items()}, indent=1) + "\n")
        return 0
    for name, before in json.loads(FIGURES.read_text()).items():
        now = ratios.get(name)
        shown = "no ratio: the two sides differ" if now is None else f"{now:.2f}"
        slower = now is None or now < SLACK * before
        print(f"{name}: {shown}, {before:.2f} when committed{' - SLOWER THAN IT WAS' if slower else ''}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
