"""A tiny method and source for the engine's tests, and the processes they start: ``python toy_engine.py FOLDER {...}``.

The method has all that the engine must carry through: masked counts that differ per clip,
a momentum copy, buffers, decay groups, one or two terms. Nothing here is a test.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from sslskel.api.batch import Batch, StepOutput, Term
from sslskel.api.method import PretextMethod, Progress
from sslskel.api.noise import Noise
from sslskel.api.turn import Turn
from sslskel.api.view import ViewSpec
from sslskel.config.groups import Chosen, DecayCourse, EngineConfig, Optimiser, Precision, Schedule, TrainConfig
from sslskel.engine.probing import Probe, Watch
from sslskel.engine.train import TrainResult, pretrain
from sslskel.errors import SslskelError
from sslskel.hashing import stable_id
from sslskel.progress import SILENT, Reporter
from sslskel.transforms.clip import CentreCrop

FRAMES, JOINTS = 4, 3
WIDTH = FRAMES * JOINTS * 3
VIEW = ViewSpec(CentreCrop())
"""Of sources that show all of a clip whatever is asked."""


@dataclass
class ToyConfig:
    width: int = 16
    terms: int = 1
    scale_of_second: float = 0.5
    poisoned_step: int = -1
    poison: str = "loss"


class Toy(PretextMethod[ToyConfig]):
    """Rebuilds masked coordinates of each person; the second term is a mean over persons."""

    Config = ToyConfig

    def __init__(self, config: ToyConfig, seed: int = 0) -> None:
        super().__init__(config, None, SimpleNamespace(train_view=VIEW))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.inner = nn.Sequential(
                nn.Linear(WIDTH, config.width), nn.LayerNorm(config.width), nn.GELU(), nn.Linear(config.width, WIDTH)
            )
            self.mask = nn.Parameter(torch.zeros(WIDTH))
            self.slow = nn.Linear(WIDTH, config.width).requires_grad_(False)
        self.register_buffer("steps_seen", torch.zeros((), dtype=torch.int64))
        self.hooks: list[str] = []

    def on_step_start(self, progress: Progress, noise: Noise) -> None:
        self.hooks.append(f"start {progress.step}")
        self.slow.weight.lerp_(self.inner[0].weight, 0.1)

    def on_step_end(self, progress: Progress, noise: Noise) -> None:
        self.hooks.append(f"end {progress.step}")
        self.steps_seen += 1

    def forward(self, views, noise: Noise, progress: Progress) -> StepOutput:
        batch: Batch = views[0]
        rows = batch.tracks.flatten(1)
        draws = noise.view(0).on(batch)
        hidden = draws.uniform("toy.mask", (WIDTH,)) < 0.3 + 0.4 * draws.uniform("toy.share", (1,))
        seen = torch.where(hidden, self.mask.to(rows), rows)
        error = (self.inner(seen) - rows).square() * hidden
        if self.config.poison == "gradient" and progress.step == self.config.poisoned_step:
            # Finite forward, infinite backward: the slope of a root at zero.
            error = error + (self.inner[3].bias * 0).abs().sqrt().sum()
        total = error.sum()
        if self.config.poison == "loss" and progress.step == self.config.poisoned_step:
            total = total * torch.nan
        terms = {"rebuild": Term(total, hidden.sum())}
        if self.config.terms > 1:
            features = self.inner[0](rows) - self.slow(rows)
            count = torch.tensor(len(rows), device=rows.device)
            terms["agree"] = Term(features.square().mean(-1).sum(), count, self.config.scale_of_second)
        return StepOutput(terms, {"hidden": hidden.to(rows.dtype).mean()})

    def encoders(self) -> dict[str, Any]:
        return {}


class Still(Toy):
    trains = False


class Mixing(Toy):
    cross_batch = True


class Adversary(Toy):
    """A generator that rebuilds masked coordinates, and a critic that tells them from true ones."""

    every = 1
    critic_norm = 0.5

    def __init__(self, config: ToyConfig, seed: int = 0) -> None:
        super().__init__(config, seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + 1)
            self.critic = nn.Sequential(nn.Linear(WIDTH, 8), nn.Tanh(), nn.Linear(8, 1))

    def turns(self) -> tuple[Turn, ...]:
        drawn = [p for name, p in self.named_parameters() if p.requires_grad and not name.startswith("critic")]
        first, last = list(self.critic[0].parameters()), list(self.critic[2].parameters())
        judged = [{"params": first, "lr_scale": 0.5, "clip_norm": self.critic_norm}, {"params": last}]
        recipe = {"optimiser": "adam", "lr": 5e-3, "beta1": 0.5, "clip_norm": 0.0}
        return (Turn("critic", judged, recipe=recipe), Turn("generator", [{"params": drawn}], every=self.every))

    def forward(self, views, noise: Noise, progress: Progress) -> StepOutput:
        self.hooks.append(f"{progress.turn} {progress.step}")
        batch: Batch = views[0]
        rows = batch.tracks.flatten(1)
        hidden = noise.view(0).on(batch).uniform("toy.mask", (WIDTH,)) < 0.4
        made = torch.where(hidden, self.inner(torch.where(hidden, self.mask.to(rows), rows)), rows)
        count = torch.tensor(len(rows), device=rows.device)
        if progress.turn == "generator":
            total = (made - rows).square().sum()
            if progress.step == self.config.poisoned_step:
                total = total * torch.nan
            deceive = Term(-self.critic(made).sum(), count, 0.1)
            return StepOutput({"rebuild": Term(total, hidden.sum()), "deceive": deceive})
        margin = (1 - self.critic(rows)).relu() + (1 + self.critic(made.detach())).relu()
        return StepOutput({"tell": Term(margin.sum(), count)}, {"true": self.critic(rows).mean().detach()})


KINDS = {kind.__name__: kind for kind in (Toy, Mixing, Adversary)}
"""Those that a command may name."""


class ToySource:
    """Clips of one or two persons, a function of their position; the view scales each person by noise."""

    def __init__(self, clips: int = 22, dtype: torch.dtype = torch.float32, slow: float = 0.0) -> None:
        self.clips, self.dtype, self.slow = clips, dtype, slow
        self.drawn: list[list[int]] = []

    def __len__(self) -> int:
        return self.clips

    def names(self, positions: Tensor | None = None) -> list[str]:
        return [f"clip-{int(p):03d}" for p in (torch.arange(self.clips) if positions is None else positions)]

    @property
    def keys(self) -> Tensor:
        return torch.tensor([stable_id("toy", str(number)) for number in range(self.clips)])

    def batch(self, positions: Tensor, view: Any, noise: Noise, outer: Any = ()) -> Batch:
        self.drawn.append(positions.tolist())
        if self.slow:
            time.sleep(self.slow)
        persons = 1 + (positions % 3 == 0).to(torch.int64)
        owner = torch.arange(len(positions)).repeat_interleave(persons)
        slot = torch.cat([torch.arange(int(count)) for count in persons])
        place = positions[owner] * 2 + slot
        wave = torch.arange(WIDTH, dtype=torch.float64) * (1 + place[:, None] % 7) + place[:, None]
        tracks = wave.sin().reshape(-1, FRAMES, JOINTS, 3).to(self.dtype)
        key = self.keys[positions]
        unknown = torch.full_like(key, -1)
        batch = Batch(tracks, torch.ones(len(owner), FRAMES, dtype=torch.bool), owner, slot, key, unknown, unknown)
        factor = 1 + 0.1 * noise.on(batch).normal("toy.size", dtype=self.dtype)
        return batch._replace(tracks=tracks * factor[:, None, None, None])


def train_config(**changes: Any) -> TrainConfig:
    """Four epochs of small batches with everything switched on."""
    values: dict[str, Any] = {
        "epochs": 4,
        "batch_size": 4,
        "lr": 1e-2,
        "min_lr": 1e-4,
        "warmup_epochs": 1,
        "checkpoint_epochs": 1,
        "drop_last": False,
        "clip_norm": 1.0,
    }
    values.update(changes)
    values["optimiser"] = Optimiser(values.get("optimiser", "adamw"))
    values["schedule"] = Schedule(values.get("schedule", "cosine"))
    values["weight_decay_course"] = DecayCourse(values.get("weight_decay_course", "constant"))
    values["selection"] = Chosen(values.get("selection", "last"))
    return TrainConfig(**values)


def run(
    folder: Path | str,
    *,
    kind: type[Toy] | str = Toy,
    clips: int = 22,
    precision: str = "fp32",
    slow: float = 0.0,
    seed: int = 3,
    method: dict[str, Any] | None = None,
    train: dict[str, Any] | None = None,
    engine: dict[str, Any] | None = None,
    meta: dict[str, Any] | None = None,
    keep: dict[str, Any] | None = None,
    reporter: Reporter = SILENT,
    probe: Probe | None = None,
    **options: Any,
) -> TrainResult:
    """One pretraining on the CPU; ``keep`` receives the method and the source."""
    kind = KINDS[kind] if isinstance(kind, str) else kind
    built = kind(ToyConfig(**(method or {})), seed=seed)
    source = ToySource(clips, torch.float64 if precision == "fp64" else torch.float32, slow)
    if keep is not None:
        keep.update(method=built, source=source)
    settings = EngineConfig(**{"device": "cpu", "log_every": 1, "precision": Precision(precision), **(engine or {})})
    return pretrain(
        built,
        source,
        train_config(**(train or {})),
        settings,
        seed,
        Path(folder),
        meta or {"identity": "toy"},
        watch=Watch(reporter, probe),
        **options,
    )


def lines(folder: Path | str) -> list[dict[str, Any]]:
    """The metrics of a run."""
    return [json.loads(line) for line in (Path(folder) / "metrics.jsonl").read_text().splitlines()]


def forked(folder: Path, options: dict[str, Any]) -> int:
    """Start a run in a child that shares what is imported; returns its process id."""
    child = os.fork()
    if child:
        return child
    status = 9
    try:
        run(folder, **options)
        status = 0
    except SslskelError as fault:
        print(fault, file=sys.stderr)
        status = fault.exit_code
    finally:
        os._exit(status)


def kill_and_resume(folder: Path, options: dict[str, Any], kills: int, seed: int) -> list[int]:
    """Kill the run at random moments, then let it end; returns the newest sound step after each kill."""
    from sslskel.engine.checkpoint import latest

    chance, reached = random.Random(seed), []
    while len(reached) < kills:
        child = forked(folder, options)
        time.sleep(chance.uniform(0.01, 0.35))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        newest = latest(folder)
        reached.append(-1 if newest is None else int(newest.name[5:]))
    _, status = os.waitpid(forked(folder, options), 0)
    assert os.waitstatus_to_exitcode(status) == 0, status
    return reached


def main() -> int:
    """``FOLDER OPTIONS [KILLS SEED]``: runs in FOLDER/0, FOLDER/1 ..., or one that is killed again and again."""
    folder, options, *kills = sys.argv[1:]
    torch.set_num_threads(1)
    if kills:
        print(json.dumps(kill_and_resume(Path(folder), json.loads(options), int(kills[0]), int(kills[1]))))
        return 0
    try:
        for number, choice in enumerate(json.loads(options)):
            run(Path(folder) / str(number), **choice)
    except SslskelError as fault:
        print(fault, file=sys.stderr)
        return fault.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
