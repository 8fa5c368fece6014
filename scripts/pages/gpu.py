"""Writes ``docs/gpu.md``: what a training step of each method asks of a GPU and of other processes.

Usage: python scripts/pages/gpu.py [--count METHOD,METHOD]. The page is made of the three files in tests/engine that
tests hold; ``--count`` counts the launches of some methods again, or of ``all``, and puts them into their file.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tests" / "engine")]

from sslskel.plugins.registry import METHODS  # noqa: E402
from sslskel.speed.expected import LAUNCH_SECONDS  # noqa: E402

PAGE = ROOT / "docs" / "gpu.md"
WAITS, LAUNCHES, COLLECTIVES = (
    ROOT / "tests" / "engine" / f"{name}.json" for name in ("waits", "launches", "collectives")
)
MOST_WAITS, MOST_WAITS_MASKED = 2, 1
HEAD = """# What a step asks of a GPU

**Nothing of this project has run on a GPU.** What is on this page was counted without one: a device that is not there
(`tests/support/pretended.py`) holds real values, computes on the CPU and notes what a GPU would be asked for, and a
second process that is not there (`tests/support/pretended_processes.py`) is sent what a step exchanges. Kernels, their
speed, memory, mixed precision, NCCL and CUDA graphs were not looked at; `scripts/gpu-check` is the command that does,
and it has not been run on a GPU. `python scripts/pages/gpu.py` writes the page from the files that tests hold. Draws of
keyed noise are counted as the passes that they are without Triton; with it, each is one launch of a kernel that its
interpreter has found equal to them, bit for bit.

Networks are the small ones of the contract tests, in float64, four clips a step; counts are those of the second step.
Deeper networks have more launches and more batch norms; waits stay.

- **Waits**: how often the host waits for the device. Target: at most {most}, and at most {masked} where parts of a clip
  are masked. Held for {held} of {all} methods; the file cannot grow beyond it.
- **Launches**: operations that compute, each of which starts one kernel at least; forward, backward, optimiser and
  views together. Each takes about {micro:.0f} µs of the host, so that a thousand of them take {thousand:.0f} ms of any
  batch. Attention is counted written out, and recurrent layers frame by frame, where a GPU has one call. Target:
  less time than the arithmetic takes, which larger batches, `engine.compile=true` or a CUDA graph reach; no number was
  measured, and no method runs as one CUDA graph.
- **Collectives**: exchanges of a step on two processes. Target: for each batch norm one forth, and one back where it
  trains; beside them one for the losses and one for what is gathered. Gradients come on top, in pieces of 25 MiB.

| method | backbone | waits | target | launches | host, ms | collectives |
|---|---|---|---|---|---|---|
"""


def page() -> str:
    """The page, of what the files say."""
    waits, launches, collectives = (
        json.loads(file.read_text(encoding="utf-8")) for file in (WAITS, LAUNCHES, COLLECTIVES)
    )
    targets = {name: MOST_WAITS_MASKED if "mask" in METHODS.get(name).card.family else MOST_WAITS for name in waits}
    head = HEAD.format(
        most=MOST_WAITS,
        masked=MOST_WAITS_MASKED,
        held=sum(count <= targets[name] for name, count in waits.items()),
        all=len(waits),
        micro=LAUNCH_SECONDS * 1e6,
        thousand=LAUNCH_SECONDS * 1e6,
    )
    rows = [
        f"| `{name}` | `{METHODS.get(name).default_backbone}` | {count} | {targets[name]} | {launches[name]:,} |"
        f" {launches[name] * LAUNCH_SECONDS * 1e3:.1f} | {collectives[name]} |"
        for name, count in waits.items()
    ]
    return head + "\n".join(rows) + "\n"


def counted(name: str) -> int:
    """Launches of the second step of a method."""
    from pretended import PRETENDED
    from pretended_run import steps_counted, training_there
    from test_pretended_device import trained

    with training_there() as pretence, steps_counted(pretence) as steps, tempfile.TemporaryDirectory() as folder:
        trained(name, PRETENDED, Path(folder))
    return steps[1].launches.total()


def main() -> None:
    """Count what is asked for, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", default="", help="methods whose launches are counted again, or all")
    names = parser.parse_args().count
    known = json.loads(LAUNCHES.read_text(encoding="utf-8")) if LAUNCHES.exists() else {}
    torch.set_num_threads(1)
    every = list(json.loads(WAITS.read_text(encoding="utf-8")))
    for name in every if names == "all" else filter(None, names.split(",")):
        known[name] = counted(name)
        print(name, known[name], flush=True)
        LAUNCHES.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
