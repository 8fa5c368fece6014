#!/usr/bin/env python
"""Times the fused stepped GRU against a loop over frames, and contrastive steps against their encoders' passes alone.

Both sides run in one process, in brackets A B B A, and a ratio is printed only where they
first gave the same numbers. Writes docs/speed-contrastive.md unless told otherwise.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sslskel.backbone import Backbone
from sslskel.backbones._gru import GruBackbone, GruConfig
from sslskel.backbones.gru_stepped import GruStepped
from sslskel.cell import grid
from sslskel.data.loader import ClipSource
from sslskel.data.prepare import open_benchmark
from sslskel.data.transforms import clip_spec
from sslskel.encoder import build_method
from sslskel.method import PretextMethod, Progress
from sslskel.noise import Noise
from sslskel.registry import BENCHMARKS

Run = Callable[[], object]
GRU_SIZES = ((1, 512), (8, 256), (16, 256), (32, 256))
"""Clips of a batch and units of a direction; three layers, 64 frames."""
FRAMES = 64
GRAPH = ("clip.frames=50", "backbone.dropout=0.5")
RECURRENT = ("clip.frames=64", "backbone.hidden=128")
METHODS: dict[str, tuple[str, ...]] = {
    "skeletonclr": ("method.queue=4096", *GRAPH),
    "aimclr": ("method.queue=4096", *GRAPH),
    "crossclr": ("method.queue=4096", *GRAPH),
    "pstl": ("method.width=512", *GRAPH),
    "byol": GRAPH,
    "isc": ("method.queue=4096", "method.graph_width=16", *RECURRENT),
    "cmd": ("method.queue=4096", "method.neighbours=1024", *RECURRENT),
    "pcm3": ("method.queue=4096", "method.decoder_width=64", *RECURRENT),
}
"""Small enough for a CPU: a queue of 4,096, 128 units for the GRU, half as wide a decoder, as released."""


class Clock:
    """CPU seconds of one thread, which other work on the machine hardly moves; on a GPU, seconds until it is done."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def seconds(self, run: Run) -> float:
        begin = self._now()
        run()
        return self._now() - begin

    def _now(self) -> float:
        if self.device.type == "cpu":
            return time.process_time()
        torch.cuda.synchronize(self.device)
        return time.perf_counter()


def bracketed(first: Run, second: Run, rounds: int, clock: Clock) -> dict[str, float]:
    """Median seconds of both, and median, least and largest ratio first / second of the brackets A B B A."""
    for run in (first, second):
        run()
    ones, twos, ratios = [], [], []
    for _ in range(rounds):
        a, b, c, d = (clock.seconds(run) for run in (first, second, second, first))
        ones += [a, d]
        twos += [b, c]
        ratios.append((a + d) / (b + c))
    return {
        "first": statistics.median(ones),
        "second": statistics.median(twos),
        "ratio": statistics.median(ratios),
        "min": min(ratios),
        "max": max(ratios),
    }


def frame_loop(fused: GruStepped, x: Tensor) -> Callable[[], Tensor]:
    """The same numbers as released code makes them: a bidirectional GRU called on one frame at a time."""
    pairs = list(fused.pairs.children())
    size = fused.dim // 2
    stepped = nn.GRU(x.shape[2], size, len(pairs), batch_first=True, bidirectional=True).to(x.device)
    for layer, pair in enumerate(pairs):
        for ending, gru in zip(("", "_reverse"), pair.children(), strict=True):
            for name, value in gru.named_parameters():
                getattr(stepped, name.replace("_l0", f"_l{layer}{ending}")).data.copy_(value.data)

    def run() -> Tensor:
        state, seen = None, []
        for frame in x.split(1, 1):
            out, state = stepped(frame, state)
            seen.append(out)
        return torch.cat(seen, 1)

    return run


def gru_rows(rounds: int, device: torch.device) -> Iterator[str]:
    """One line of the table per size, for a forward pass without gradients and for both passes."""
    clock = Clock(device)
    for clips, hidden in GRU_SIZES:
        spec = build("skeletonclr", GRAPH, device)[1].spec
        torch.manual_seed(0)
        fused = GruStepped(GruConfig(hidden=hidden, input_norm=False), spec).to(device)
        x = torch.randn(clips, FRAMES, spec.persons * spec.layout.num_joints * spec.coordinates, device=device)
        loop, once = frame_loop(fused, x), lambda fused=fused, x=x: fused.run(x)
        with torch.no_grad():
            gap = float((loop() - once()).abs().max())
        if gap > 1e-5:
            raise SystemExit(f"the two GRUs differ by {gap:.2g}: no ratio")
        for name, wrap in (("forward", without_gradient), ("forward and backward", with_gradient)):
            found = bracketed(wrap(loop), wrap(once), rounds, clock)
            yield row(f"{clips}", f"{hidden}", name, found)


def without_gradient(run: Callable[[], Tensor]) -> Run:
    return torch.no_grad()(run)


def with_gradient(run: Callable[[], Tensor]) -> Run:
    return lambda: run()[:, -1].sum().backward()


def build(method: str, overrides: tuple[str, ...], device: torch.device) -> tuple[PretextMethod, ClipSource]:
    """A method in training mode and the clips of ``synthetic`` it trains on."""
    [cell] = grid([method], [None], ["synthetic"], [0], overrides=list(overrides))
    dataset = open_benchmark(BENCHMARKS.get(cell.benchmark))
    resolved = cell.resolved
    spec = clip_spec(dataset.info, resolved.clip)
    built = build_method(cell.method, resolved.method, cell.backbone, resolved.backbone, spec, cell.seed)
    rows = BENCHMARKS.get(cell.benchmark).split(cell.split).part(dataset, "train")
    return built.to(device).train(), ClipSource(dataset, rows, spec, device=device, labels=False)


Pass = tuple[Callable[..., Tensor], tuple[Any, ...], bool]


@contextmanager
def passes_of(method: PretextMethod) -> Iterator[list[Pass]]:
    """Every pass of a backbone inside: the call, what with, and whether its weights get gradients."""
    seen: list[Pass] = []
    backbones = [module for module in method.modules() if isinstance(module, Backbone)]

    def noted(module: Backbone, call: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def run(*given: Any) -> Tensor:
            trained = torch.is_grad_enabled() and any(p.requires_grad for p in module.parameters())
            seen.append((call, given, trained))
            return call(*given)

        return run

    # Methods with prompts enter a recurrent backbone behind its input, where its forward() passes too.
    entries = [(module, "encode" if isinstance(module, GruBackbone) else "forward") for module in backbones]
    for module, name in entries:
        setattr(module, name, noted(module, getattr(module, name)))
    try:
        yield seen
    finally:
        for module, name in entries:
            delattr(module, name)


def step_row(name: str, clips: int, rounds: int, device: torch.device) -> str:
    """A whole step, views and momentum and queue included, over the passes of its encoders with the same inputs."""
    method, source = build(name, METHODS[name], device)
    rows, noise, progress = torch.arange(clips) % len(source), Noise(0, 1, device), Progress(1, 4, 4)

    def step() -> None:
        views = [source.batch(rows, view, noise.view(at)) for at, view in enumerate(method.views())]
        method.on_step_start(progress)
        method(views, noise, progress).loss().backward()
        method.on_step_end(progress)

    with passes_of(method) as seen:
        step()
    given = [(call, tuple(x.detach() if isinstance(x, Tensor) else x for x in args), on) for call, args, on in seen]
    with torch.no_grad():
        weights = [torch.randn_like(call(*args)) for call, args, _ in given]

    def encoders() -> None:
        for (call, args, trained), weight in zip(given, weights, strict=True):
            with torch.set_grad_enabled(trained):
                out = call(*args)
            if trained:
                out.backward(weight)

    found = bracketed(step, encoders, rounds, Clock(device))
    trained = sum(on for *_, on in given)
    return row(name, f"{trained} + {len(given) - trained}", f"{clips}", found)


def row(*cells: str | dict[str, float]) -> str:
    """A line of a Markdown table."""
    *words, found = cells
    assert isinstance(found, dict)
    times = [f"{found[side] * 1e3:.1f}" for side in ("first", "second")]
    span = f"{found['min']:.2f} to {found['max']:.2f}"
    return "| " + " | ".join([*map(str, words), *times, f"{found['ratio']:.2f}", span]) + " |"


def page(gru: list[str], steps: list[str], rounds: int, device: torch.device) -> str:
    """The document."""
    where = platform.processor() or platform.machine()
    if device.type == "cuda":
        where = torch.cuda.get_device_name(device)
    missing = [name for name in METHODS if not any(line.startswith(f"| {name} ") for line in steps)]
    left = f" Not in this run: {', '.join(missing)}." if missing else ""
    clock = "CPU seconds of one thread" if device.type == "cpu" else "wall-clock seconds"
    return f"""# Speed of the contrastive parts

Generated by `python scripts/contrastive_speed/measure.py`: {rounds} brackets A B B A of {clock} on {device.type}
({where}), torch {torch.__version__}, Python {platform.python_version()}. A ratio is the median over brackets, with the
least and the largest; the two GRUs gave the same numbers first.

## The stepped GRU against a loop over frames

Three layers, 64 frames, 150 numbers a frame. The loop calls a bidirectional GRU with one frame at a time and carries
its state, as released code does; `gru_stepped` runs a layer over all frames. At least 1.5 is the aim on a CPU and 5
on a GPU (`--device cuda`). With more clips a frame's own products fill the processor, and the gap closes.

| clips | hidden | pass | loop, ms | fused, ms | ratio | range |
|---|---|---|---|---|---|---|
{chr(10).join(gru)}

## A step against its encoders

A step cuts and augments its views, moves the key encoder, computes the loss and its gradients and fills the queue; the
other side is the passes of its encoders alone, with the same inputs: those that are trained, forward and backward, and
those that are not, forward. The optimiser is in neither. At most 1.15 is the aim. Sizes are for a CPU: 128 units for
the GRU, the graph encoder as released, queues of 4,096. A step of `pcm3` also has a decoder over all frames, half as
wide as the GRU, as released.{left}

| method | passes, trained + not | clips | step, ms | encoders, ms | ratio | range |
|---|---|---|---|---|---|---|
{chr(10).join(steps)}
"""


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="brackets of each pair (default: 5)")
    parser.add_argument("--clips", type=int, default=16, help="clips of a step (default: 16)")
    parser.add_argument("--methods", default=",".join(METHODS), help="comma list (default: all)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path, default=Path("docs/speed-contrastive.md"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(options.device)
    gru, steps = [], []
    for line in gru_rows(options.rounds, device):
        print(line, flush=True)
        gru.append(line)
    for name in options.methods.split(","):
        steps.append(step_row(name, options.clips, options.rounds, device))
        print(steps[-1], flush=True)
    options.output.write_text(page(gru, steps, options.rounds, device), encoding="utf-8")
    print(options.output)


if __name__ == "__main__":
    main()
