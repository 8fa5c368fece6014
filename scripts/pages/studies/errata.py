"""Writes docs/measured/studies/errata.md: what options of the errata change in trainings of seconds.

Usage: PYTHONPATH=. python scripts/pages/studies/errata.py [--seeds 4] [--steps 40]. Small networks, clips made here,
nearest neighbours; the same clips, weights, views and noise for both values of an option. A difference here is no
statement about published numbers.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Sequence
from pathlib import Path

import torch
from scipy import stats
from torch.nn import functional

from sslskel import METHODS, Batch, ClipSpec, Noise, PretextMethod, Progress
from sslskel.config.compose import from_plain
from sslskel.engine.optimisers import AdamW
from sslskel.methods.common.errata import kinect, network, views_of
from sslskel.text import table

PAGE = Path(__file__).resolve().parents[3] / "docs" / "measured" / "studies" / "errata.md"
CLASSES, EACH, FRAMES = 8, 6, 16
GRU = {"hidden": 16, "layers": 1}
GRAPH = {"width": 4, "dim": 32}
QUEUE = {"queue": 128, "dim": 16, "momentum": 0.99}
FIXED = {"basis": "rotation"}
ABLATIONS = {
    "predict_cluster/decoder": ("predict_cluster", GRU, FIXED, ("fidelity", "released", "paper")),
    "predict_cluster/mirror": ("predict_cluster", GRU, {}, ("basis", "mirrored", "rotation")),
    "gl_transformer/interval": (
        "gl_transformer",
        {"width": 4, "depth": 1, "heads": 2},
        {},
        ("fidelity", "released", "paper"),
    ),
    "ascal/products": (
        "ascal",
        {"hidden": 32},
        {"queue": 128, "momentum": 0.99, "filling_epochs": 0},
        ("unit_length", False, True),
    ),
    "skeletonclr/key": ("skeletonclr", GRAPH, QUEUE, ("fidelity", "released", "paper")),
}
"""Entry -> method, options of its backbone, its own options, and the option with its two values."""


def clips_of(seed: int, part: int) -> tuple[Batch, torch.Tensor]:
    """Clips of one person in classes that swing each in its own way, and their classes; ``part`` 0 trains."""
    shared = torch.Generator().manual_seed(1000 + seed)
    swing = torch.randn(CLASSES, 3, 1, 25, generator=shared) * 0.3
    pace = 0.2 + 0.5 * torch.rand(CLASSES, 1, 1, 1, generator=shared)
    own = torch.Generator().manual_seed(10 * seed + part)
    labels = torch.arange(CLASSES).repeat_interleave(EACH)
    pose = torch.randn(1, 3, 1, 25, generator=shared) * 0.4 + torch.randn(len(labels), 3, 1, 25, generator=own) * 0.05
    phase = torch.rand(len(labels), 1, 1, 25, generator=own) * math.pi
    time = torch.arange(FRAMES)[None, None, :, None]
    dense = pose + swing[labels] * torch.sin(pace[labels] * time + phase)
    return Batch.from_dense(dense[..., None]), labels


def built(entry: str, value: object, clip: ClipSpec, seed: int) -> PretextMethod:
    """The method of an entry with one value of its option; the same weights for a seed."""
    name, sizes, options, (option, *_) = ABLATIONS[entry]
    plugin, options = METHODS.get(name), dict(options)
    options[option] = value
    torch.manual_seed(seed)
    config = from_plain(plugin.Config, options, name)
    method: PretextMethod = plugin(config, lambda spec: network(plugin.default_backbone, spec, **sizes), clip)
    return method


def score(method: PretextMethod, seed: int) -> float:
    """Accuracy in percent of nearest neighbours by cosine."""
    encoder = next(iter(method.encoders().values())).eval()
    (gallery, labels), (queries, wanted) = clips_of(seed, 0), clips_of(seed, 1)
    with torch.no_grad():
        known, unseen = (functional.normalize(encoder.clip(batch), dim=1) for batch in (gallery, queries))
    return 100 * float((labels[(unseen @ known.T).argmax(1)] == wanted).float().mean())


def trained(entry: str, value: object, seed: int, steps: int) -> tuple[float, float]:
    """Accuracy before and behind the training."""
    method = built(entry, value, kinect(FRAMES, 1), seed)
    before, batch = score(method, seed), clips_of(seed, 0)[0]
    optimiser = AdamW([p for p in method.parameters() if p.requires_grad], lr=2e-3)
    method.train()
    for step in range(steps):
        noise, progress = Noise(seed, step), Progress(step, 1, steps)
        method.on_step_start(progress, noise)
        loss = method(views_of(method, batch, noise), noise, progress).loss()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        method.on_step_end(progress, noise)
    return before, score(method, seed)


def row(entry: str, seeds: int, steps: int) -> list[str]:
    """A line of the table."""
    option, first, second = ABLATIONS[entry][3]
    runs = [[trained(entry, value, seed, steps) for seed in range(seeds)] for value in (first, second)]
    means = [statistics.mean(after for _, after in run) for run in runs]
    apart = [other[1] - one[1] for one, other in zip(*runs, strict=True)]
    spread = statistics.stdev(apart)
    untrained = statistics.mean(before for before, _ in runs[0])
    cells = [
        f"`{entry}`",
        f"`method.{option}`",
        f"{untrained:.1f}",
        f"{first}: {means[0]:.1f}",
        f"{second}: {means[1]:.1f}",
    ]
    print(*cells, f"{statistics.mean(apart):+.1f} +- {spread:.1f}", flush=True)
    return [*cells, f"{statistics.mean(apart):+.1f} ± {spread:.1f}"]


def page(rows: Sequence[Sequence[str]], seeds: int, steps: int) -> str:
    """The page with these lines of the table."""
    titles = ("entry", "option", "before training, %", "one value, %", "the other, %", "difference, points")
    beyond = float(stats.t.ppf(0.975, seeds - 1)) / math.sqrt(seeds)
    return (
        "# Options of the errata in small trainings\n\n"
        f"Made by `python scripts/pages/studies/errata.py --seeds {seeds} --steps {steps}`: what options of"
        " [errata](../../errata.md) change in trainings of seconds, of small networks on clips made by the script"
        f" ({CLASSES} classes, {EACH} clips of each to train, as many to test, {FRAMES} frames). Top-1 of nearest"
        " neighbours by cosine; clips, weights, views and noise are the same for both values. Differences are means"
        f" and standard deviations over {seeds} seeds; 0 is in the 95 % interval of a mean that is smaller than"
        f" {beyond:.1f} standard deviations. None says anything of published numbers.\n\n" + table(titles, rows) + "\n"
    )


def main() -> None:
    """Train everything and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=40)
    options = parser.parse_args()
    rows = [row(entry, options.seeds, options.steps) for entry in ABLATIONS]
    PAGE.write_text(page(rows, options.seeds, options.steps), encoding="utf-8")


if __name__ == "__main__":
    main()
