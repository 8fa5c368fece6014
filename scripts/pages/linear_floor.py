"""Measures how many steps a linear head needs on few clips, on held-out training subjects, and writes the page.

Usage: python scripts/pages/linear_floor.py [--output docs/measured/linear-floor.md]. Needs ``utd_mhad`` prepared; a
quarter of an hour on one core. No clip of the test part is read.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

import torch
from torch import Tensor

import sslskel
from sslskel import BENCHMARKS, GridRequest, ProtocolRun, open_benchmark
from sslskel.api.encoder import Encoder
from sslskel.api.protocol import ClipSet
from sslskel.data.loader import ClipSource
from sslskel.data.withheld import LabelledPart
from sslskel.encoders.open import open_encoders
from sslskel.evaluation.features import View, evaluating
from sslskel.evaluation.linear_convergence import NEAR, PROBE_STEPS
from sslskel.evaluation.linear_training import LinearConfig, LinearTraining, mean_logits
from sslskel.progress import SILENT

BENCHMARK, SPLIT = "utd_mhad", "xsub"
METHODS = ("raw_features", "random_init")
STEPS = (0, 500, 1000, 2000, 4000, 8000)
"""Fewest steps that are tried; 0 is the released recipe, two steps in each of 100 epochs."""
SEEDS = (0,)
"""Of the heads; scores are averaged over them before anything else."""
RECIPE = LinearConfig(views=10)
"""As in the preset ``cpu``, the default of the benchmark."""

PAGE = "docs/measured/linear-floor.md"
INTRODUCTION = """# How many steps a linear head needs

The released recipe of `linear` takes 15,700 steps on NTU RGB+D 60 and 200 on the 431 training clips of UTD-MHAD. Below
are heads with at least as many steps as the first column says, trained on three of the four training subjects of
UTD-MHAD and scored on the fourth, each of them once. Encoders are those of the preset `cpu` that need no training, one
of each. No clip of the test part was read. Made by

```sh
python {script}
```"""
RULE = """
**Rule**: the fewest steps with which the score of every encoder is within one standard error of its score with the
most steps tried. That is **{chosen:,}**, the default of `protocol.min_steps`.

*score*: mean over subjects in %, with its standard error. *training*: accuracy on the training clips. *converged*:
heads, of {heads}, whose loss {probe} steps of L-BFGS would not lower by more than {near:g} nats per clip, as records
have it. Where a head has not converged at the floor either, its score is one of the schedule too; `logreg` has no
schedule.
"""


@dataclass(frozen=True)
class Score:
    """A head trained on all subjects but one."""

    held_out: float
    training: float
    converged: bool


class Remembering(LinearTraining):
    """Heads on features that were encoded once for all of them."""

    tables: Mapping[tuple[View, int], Tensor]
    """Features (n, D) of all clips by view and draw."""
    places: Mapping[int, int]
    """Rows in them, by key."""

    def encode(self, clips: ClipSet, view: View, draw: int, progress: str = "") -> dict[str, Tensor]:
        """From the tables; see the base."""
        rows = torch.tensor([self.places[key] for key in clips.keys.tolist()])
        return dict.fromkeys(self.encoders, self.tables[view, draw][rows])


def scores_of(encoder: Encoder, clips: ClipSet, subjects: Sequence[int], classes: int) -> Iterator[list[list[Score]]]:
    """For each number of steps, for each subject in turn, a score per seed."""
    encoders, tables = {"joint": encoder}, {}
    usual = ProtocolRun(0, torch.device("cpu"), torch.float32, contextlib.nullcontext, SILENT)
    with evaluating(encoders):
        first = LinearTraining(RECIPE, encoders, clips, classes, usual)
        for view, draw in (("test", 0), *(("train", number + 1) for number in range(RECIPE.views))):
            tables[view, draw] = first.encode(clips, view, draw)["joint"]
    places = {key: row for row, key in enumerate(clips.keys.tolist())}
    of_clip = torch.tensor(subjects)
    for steps in STEPS:
        config, of_steps = dataclasses.replace(RECIPE, min_steps=steps), []
        for subject in sorted(set(subjects)):
            held = of_clip == subject
            own = clips.subset((~held).nonzero()[:, 0])
            of_subject = []
            for seed in SEEDS:
                run = dataclasses.replace(usual, seed=seed)
                training = Remembering(config, encoders, own, classes, run)
                training.tables, training.places = tables, places
                chosen = training.run(None, None)
                right = mean_logits(chosen.heads, {"joint": tables["test", 0][held]}).argmax(1) == clips.labels[held]
                of_subject.append(Score(float(right.double().mean()), chosen.train_accuracy, chosen.converged))
            of_steps.append(of_subject)
        yield of_steps


def encoder_of(method: str, folder: Path) -> Encoder:
    """What a pretraining of the benchmark's default preset gives; one that is in the folder is read."""
    path, _ = sslskel.pretrain(GridRequest(methods=(method,), benchmarks=(BENCHMARK,), output=folder))
    return open_encoders(path).encoders["joint"].eval()


@dataclass(frozen=True)
class Row:
    """One encoder and number of steps."""

    by_subject: Sequence[Sequence[Score]]

    def means(self) -> list[float]:
        """Held-out accuracy of each subject."""
        return [fmean(score.held_out for score in one) for one in self.by_subject]

    def summary(self) -> tuple[float, float]:
        """Mean over subjects, and its standard error."""
        means = self.means()
        return fmean(means), stdev(means) / len(means) ** 0.5

    def text(self) -> str:
        """Cells of the table."""
        every = [score for one in self.by_subject for score in one]
        mean, error = self.summary()
        training = 100 * fmean(score.training for score in every)
        return f"{100 * mean:.1f} ± {100 * error:.1f} | {training:.1f} | {sum(one.converged for one in every)}"


def chosen_of(tables: Mapping[str, Sequence[Row]]) -> int:
    """The fewest steps that are within one standard error of the most, for every encoder."""
    least = {name: mean - error for name, rows in tables.items() for mean, error in [rows[-1].summary()]}
    return next(
        steps
        for at, steps in enumerate(STEPS)
        if all(rows[at].summary()[0] >= least[name] for name, rows in tables.items())
    )


def page(folder: Path) -> Iterator[str]:
    """The page, line by line; pretrainings are in ``folder``, or made there."""
    data, benchmark = open_benchmark(BENCHMARKS.get(BENCHMARK)), BENCHMARKS.get(BENCHMARK)
    rows = benchmark.split(SPLIT).part(data, "train")
    subjects, classes = data.subjects[rows].tolist(), len(data.info.classes)
    tables = {}
    for method in METHODS:
        encoder = encoder_of(method, folder)
        clips = LabelledPart(ClipSource(data, rows, encoder.spec))
        tables[method] = [Row(one) for one in scores_of(encoder, clips, subjects, classes)]
    yield from INTRODUCTION.format(script=f"scripts/pages/linear_floor.py --output {PAGE}").splitlines()
    for method, table in tables.items():
        yield from (
            "",
            f"## `{method}`",
            "",
            "| fewest steps | score | training | converged |",
            "|---:|---:|---:|---:|",
        )
        for steps, row in zip(STEPS, table, strict=True):
            yield f"| {steps:,} | {row.text()} |"
    heads = len(set(subjects)) * len(SEEDS)
    yield from RULE.format(chosen=chosen_of(tables), heads=heads, near=NEAR, probe=PROBE_STEPS).splitlines()


def main() -> int:
    """Measure, then print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="Markdown file to write (default: print)")
    parser.add_argument("--folder", type=Path, help="results folder for the pretrainings (default: one for the run)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as own:
        text = "\n".join(page(options.folder or Path(own))) + "\n"
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
