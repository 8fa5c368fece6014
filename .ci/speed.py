"""Compares ratios of a small configuration with those that were committed; for information, never a gate.

Ratios of processor times in bracketed pairs move little on a busy machine, but they do move. Run without arguments
it prints and ends with 0; ``--write`` measures and commits new figures to ``speed.json`` beside it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

FIGURES = Path(__file__).with_name("speed.json")
SLACK = 0.7
"""Share of a committed ratio under which a line says so."""
SMALL = ["train.batch_size=4", "clip.frames=32", "clip.min_frames=32", "engine.device=cpu", "engine.threads=1"]


def measured() -> dict[str, float]:
    """Median ratios of processor time by name."""
    from sslskel.speed import speed_against

    report = speed_against("mamp", benchmark="synthetic", preset="quick", overrides=SMALL)
    works = report["works"]
    found = {f"{work} ({report['mode']})": part["cpu_ratio"]["median"] for work, part in works.items() if part["equal"]}
    memory = works["step"].get("memory")
    return {**found, **({"memory of a step": memory["ratio"]} if memory else {})}


def main() -> int:
    """Print every ratio beside the committed one."""
    found = measured()
    if "--write" in sys.argv:
        FIGURES.write_text(json.dumps({name: round(value, 2) for name, value in found.items()}, indent=1) + "\n")
        return 0
    for name, before in json.loads(FIGURES.read_text()).items():
        now = found.get(name)
        said = "no ratio: the two sides differ" if now is None else f"{now:.2f}"
        slower = now is None or now < SLACK * before
        print(f"{name}: {said}, {before:.2f} when committed{' - SLOWER THAN IT WAS' if slower else ''}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
