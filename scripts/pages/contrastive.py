"""Writes ``docs/measured/speed-contrastive.md``: the stepped GRU against a loop, and steps against their encoders.

Each measurement is one ``sslskel speed --against`` whose JSON stays in the folder, so an interrupted run continues.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from speed import measure

GRU_SIZES = ((1, 512), (8, 256), (16, 256), (32, 256))
"""Clips per batch and units per direction; three layers, 64 frames."""
GRAPH = ("clip.frames=50", "backbone.dropout=0.5")
RECURRENT = ("clip.frames=64", "backbone.hidden=128")
METHODS: dict[str, tuple[str, ...]] = {
    "skeletonclr": ("method.queue=4096", *GRAPH),
    "aimclr": ("method.queue=4096", *GRAPH),
    "crossclr": ("method.queue=4096", *GRAPH),
    "pstl": ("method.width=512", *GRAPH),
    "isc": ("method.queue=4096", "method.graph_width=16", *RECURRENT),
    "cmd": ("method.queue=4096", "method.neighbours=1024", *RECURRENT),
    "pcm3": ("method.queue=4096", "method.decoder_width=64", *RECURRENT),
}
"""Small enough for a CPU: a queue of 4,096, 128 units for the GRU, half as wide a decoder, as released."""
PLAIN = {
    "released": {name: METHODS[name] for name in ("skeletonclr", "aimclr", "pcm3")},
    "cpu": {"skeletonclr": (), "aimclr": ("method.fidelity=released",), "pcm3": ()},
}
"""Presets, and what is changed of them."""
INTRODUCTION = """# Speed of the contrastive parts

Every row is one `sslskel speed` with `--against as_released`, `encoders` or `frame_loop` in bracketed pairs (A B B A):
a median over pairs with its range, by processor time on a CPU and by wall time on a GPU.
"""
LOOP = """## The stepped GRU against a loop over frames

`frame_loop` calls a bidirectional GRU with one frame at a time and carries its state, as released code does;
`gru_stepped` runs a layer over all frames. Three layers; both give the same results, or there is no ratio. The target
is at least 1.5 on a CPU and 5 on a GPU. With more clips the products of a single frame use the processor fully, and
the gap closes.

| clips | frames | units | pass | loop, ms | fused, ms | ratio | range |
|---|---|---|---|---|---|---|---|
"""
STEPS = """## A step against its encoders

A step cuts and augments its views, moves the key encoder, computes the loss and its gradients and fills the queue; the
other side is the passes of its encoders alone, with the same inputs: those that are trained, forward and backward, and
those that are not, forward. The optimiser is in neither. The target is at most 1.15. Sizes are for a CPU: 128 units for
the GRU, the graph encoder as released, queues of 4,096. A step of `pcm3` also has a decoder over all frames, half as
wide as the GRU, as released.

| method | passes, trained + not | clips | step, ms | encoders, ms | ratio | range |
|---|---|---|---|---|---|---|
"""

RELEASED = """## A step against a plain form of its released code

`as_released` takes the same step in our own words as released code takes it: the views of one clip after another in
numpy, from padded arrays (of 300 frames for `pcm3`, resized to the frames of a step beforehand for the others), every
person slot, graph convolutions as one convolution and one sum, and one call of a GRU of all layers per frame. Weights,
keyed draws, the move of the key encoder and the queue are the same on both sides. Views, losses and gradients agree,
or there is no ratio. The target is at least 1.5. `pcm3` reaches it by its GRUs. The methods on `st_gcn` miss
it on a CPU: views and graph convolutions, which differ, are a small part
beside what both sides share, convolutions over frames, batch norms and, at released sizes, keyed dropout.

| method | sizes | clips | released, ms | ours, ms | ratio | range |
|---|---|---|---|---|---|---|
"""


def main() -> int:
    """Run the missing measurements, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="JSON files of measurements")
    parser.add_argument("--clips", type=int, default=16, help="clips of a step (default: 16)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--page", type=Path, default=Path("docs/measured/speed-contrastive.md"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    shared = ["--preset", "released", "--device", options.device]
    loops, steps, plain = [], [], []
    for clips, hidden in GRU_SIZES:
        sizes = (f"train.batch_size={clips}", f"backbone.hidden={hidden}", "clip.frames=64")
        gru = ["--method", "skeletonclr", "--backbone", "gru_stepped", "--against", "frame_loop"]
        loops.append(measure(options, f"loop-{clips}-{hidden}", [*gru, *shared, *sizes, "method.queue=4096"]))
    for method, overrides in METHODS.items():
        argv = ["--method", method, "--against", "encoders", *shared, f"train.batch_size={options.clips}", *overrides]
        steps.append(measure(options, f"step-{method}", argv))
    for preset, methods in PLAIN.items():
        for method, overrides in methods.items():
            sizes = ["--preset", preset, "--device", options.device, f"train.batch_size={options.clips}", *overrides]
            argv = ["--method", method, "--against", "as_released", *sizes]
            plain.append(measure(options, f"plain-{preset}-{method}", argv))
    options.page.write_text(page(loops, steps, plain), encoding="utf-8")
    return 0


def page(loops: list[dict[str, Any]], steps: list[dict[str, Any]], plain: list[dict[str, Any]]) -> str:
    """The whole page; every number comes from a report."""
    first = loops[0]
    machine = (first["hardware"]["gpus"] or [first["hardware"]["cpu"]])[0]
    where = (
        f"On {first['device']} ({machine}), threads: {first['threads']}, torch {first['versions']['torch']},"
        f" {steps[0]['works']['step']['pairs']} pairs.\n"
    )
    lines = [INTRODUCTION, where, LOOP + "\n".join(row for report in loops for row in loop_rows(report)) + "\n"]
    lines += [STEPS + "\n".join(map(step_row, steps)) + "\n"]
    lines += [RELEASED + "\n".join(map(plain_row, plain)) + "\n"]
    lines += [
        "## How this page is made",
        "",
        "```sh",
        " ".join(["python", "scripts/pages/contrastive.py", *sys.argv[1:]]),
    ]
    return "\n".join([*lines, "```", ""])


def loop_rows(report: dict[str, Any]) -> list[str]:
    """One line per kind of pass."""
    sizes = (report["batch_size"], report["frames"], report["hidden"])
    return [row(*sizes, name, *figures(report, part)) for name, part in report["works"].items()]


def step_row(report: dict[str, Any]) -> str:
    """One line per method."""
    passes = report["passes"]
    counted = f"{passes['trained']} + {passes['not trained']}"
    return row(report["method"], counted, report["batch_size"], *figures(report, report["works"]["step"]))


def plain_row(report: dict[str, Any]) -> str:
    """One line per method and preset."""
    sizes = report["method"], report["preset"], report["batch_size"]
    return row(*sizes, *figures(report, report["works"]["step"]))


def figures(report: dict[str, Any], part: dict[str, Any]) -> tuple[str, ...]:
    """Milliseconds of both sides, the ratio and its range; a sentence where the sides differ."""
    if not part.get("equal", True):
        return ("", "", "none: the sides differ", "")
    kind = "cpu_" if report["device"] == "cpu" else ""
    ratio = part[f"{kind}ratio"]
    times = (f"{part[f'{side}_{kind}seconds'] * 1e3:.1f}" for side in ("theirs", "ours"))
    return (*times, f"{ratio['median']:.2f}", f"{ratio['min']:.2f} to {ratio['max']:.2f}")


def row(*cells: object) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    sys.exit(main())
