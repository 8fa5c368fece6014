"""Methods for the engine's tests that use every hook, and their processes: ``toy_hooks.py FOLDER CASES``.

``Clustered`` assigns every training clip to a centre between epochs, ``Banked`` keeps a row for every clip,
``Taught`` follows a student by a schedule, ``Contrasting`` compares the clips of a part, ``Spread`` spreads its masks
over the clips of a step. Nothing here is a test.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import toy_engine
from torch import Tensor, nn
from torch.nn import functional
from toy_engine import VIEW, WIDTH, ToyConfig

from sslskel import (
    Batch,
    CosineSchedule,
    Frozen,
    Noise,
    PretextMethod,
    Progress,
    SslskelError,
    Standardise,
    StepOutput,
    Teacher,
    Term,
    TrainingClips,
    gather_rows,
    own_rows,
)

CLIPS, DIM, CENTRES = 21, 6, 4


class Hooked(PretextMethod[ToyConfig]):
    """A linear encoder; writes down when it is called, and dies at the step that ``KILL`` names."""

    Config = ToyConfig

    def __init__(self, config: ToyConfig, seed: int = 0) -> None:
        super().__init__(config, None, SimpleNamespace(train_view=VIEW, test_view=VIEW, clips=CLIPS))  # type: ignore[arg-type]
        self.calls: list[str] = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.inner = nn.Linear(WIDTH, DIM)
            self.build()

    def build(self) -> None:
        """Further parts."""

    def load_start(self) -> None:
        self.calls.append("load")

    def on_epoch_start(self, clips: TrainingClips, noise: Noise, progress: Progress) -> None:
        self.calls.append(f"epoch {progress.step}")

    def on_step_start(self, progress: Progress, noise: Noise) -> None:
        self.calls.append(f"start {progress.step}")
        if os.environ.get("KILL") == str(progress.step):
            os.kill(os.getpid(), signal.SIGKILL)

    def on_step_end(self, progress: Progress, noise: Noise) -> None:
        self.calls.append(f"end {progress.step}")

    def features(self, batch: Batch) -> Tensor:
        """(N, DIM): the mean over persons."""
        return pooled(self.inner(batch.tracks.flatten(1)), batch)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        return mean(self.features(views[0]).square().mean(1))

    def encoders(self) -> dict[str, Any]:
        return {}


def pooled(rows: Tensor, batch: Batch) -> Tensor:
    """(P, D) -> (N, D): the mean over persons."""
    count = torch.bincount(batch.owner, minlength=batch.num_clips).clamp(min=1)
    return rows.new_zeros(batch.num_clips, rows.shape[1]).index_add(0, batch.owner, rows) / count[:, None]


def mean(rows: Tensor) -> StepOutput:
    """The mean of a loss per clip (n,)."""
    return StepOutput({"loss": Term(rows.sum(), torch.tensor(len(rows)))})


class Clustered(Hooked):
    """Every clip learns to be near the centre that it was assigned to before the epoch."""

    def build(self) -> None:
        self.scale = Standardise(WIDTH // toy_engine.FRAMES)
        self.head = nn.Linear(DIM, CENTRES)
        self.register_buffer("assigned", torch.full((self.clip.clips,), -1))

    def on_epoch_start(self, clips: TrainingClips, noise: Noise, progress: Progress) -> None:
        super().on_epoch_start(clips, noise, progress)
        assert not self.training
        if progress.step == 0:
            self.scale.measure(clips, self.clip.test_view, noise, size=5)
        mine = clips.share()
        batches = list(clips.batches(self.clip.test_view, noise.view(0), 4, mine))
        assert torch.equal(torch.cat([batch.position for batch in batches]), mine)
        assert all((batch.label == -1).all() for batch in batches)
        every = gather_rows(torch.cat([self.features(batch) for batch in batches]))
        centres = every[noise.permutation("centres", len(clips), per="batch")[:CENTRES]]
        self.assigned.copy_(torch.cdist(every, centres).argmin(1))

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        batch = views[0]
        scaled = self.scale(batch.tracks.flatten(2)).unflatten(2, batch.tracks.shape[2:])
        guess = self.head(self.features(batch._replace(tracks=scaled)))
        return mean(functional.cross_entropy(guess, self.assigned[batch.position], reduction="none"))


class Banked(Hooked):
    """A row of the bank for every clip, which its features come near to and then move."""

    def build(self) -> None:
        self.register_buffer("bank", torch.zeros(self.clip.clips, DIM))
        self.new: tuple[Tensor, Tensor] | None = None

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        features = self.features(views[0])
        self.new = views[0].position, features.detach()
        return mean((features - self.bank[views[0].position] - 1).square().mean(1))

    def on_step_end(self, progress: Progress, noise: Noise) -> None:
        super().on_step_end(progress, noise)
        assert self.new is not None
        rows, features = gather_rows(self.new[0]), gather_rows(self.new[1])
        jitter = noise.normal("bank.jitter", (DIM,), per="batch", dtype=features.dtype)
        self.bank[rows] = 0.5 * self.bank[rows] + 0.5 * features + 0.01 * jitter


class Taught(Hooked):
    """A student predicts its teacher's features of a fixed, foreign network."""

    def build(self) -> None:
        self.student = nn.Sequential(nn.Linear(DIM, DIM), nn.LayerNorm(DIM))
        self.teacher = Teacher(self.student)
        self.foreign = Frozen(nn.Sequential(nn.Linear(WIDTH, DIM), nn.Dropout()))

    def load_start(self) -> None:
        super().load_start()
        for value in self.foreign.parameters():
            value.fill_(0.125)

    def on_step_start(self, progress: Progress, noise: Noise) -> None:
        super().on_step_start(progress, noise)
        assert not self.teacher.network.training
        assert self.student.training
        self.teacher.follow(self.student, CosineSchedule(0.9, 1.0).at(progress))

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        features = self.features(views[0])
        wanted = self.teacher(features)
        target = pooled(self.foreign(views[0].tracks.flatten(1)), views[0])
        return mean((self.student(features) - wanted).square().mean(1) + (features - target).square().mean(1))


class Contrasting(Hooked):
    """Every clip is told from the other clips of its part."""

    cross_batch = True
    negatives_per_part = True

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        features = functional.normalize(self.features(views[0]), dim=1)
        every = gather_rows(features)
        same = own_rows(torch.arange(len(every)), len(features))
        return mean(functional.cross_entropy(features @ every.T / 0.2, same, reduction="none"))


class Spread(Hooked):
    """Hides more of one clip than of another: by equal steps over the clips of a step, and all of every third clip."""

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        batch, draws = views[0], noise.view(0).on(views[0])
        ratio = draws.stratified("ratio", dtype=batch.tracks.dtype)
        ratio = torch.where(draws.stratified("whole") < 1 / 3, 1.0, ratio)
        self.calls.append(f"ratios {sorted(round(float(value), 6) for value in ratio)}")
        hidden = draws.uniform("hidden", (WIDTH,)) < ratio[batch.owner][:, None]
        seen = batch.tracks.flatten(1).masked_fill(hidden, 0)
        return mean(pooled(self.inner(seen), batch).square().mean(1))


KINDS = {kind.__name__: kind for kind in (Hooked, Clustered, Banked, Taught, Contrasting, Spread)}


def run(folder: Path | str, kind: str, **options: Any) -> tuple[Any, Hooked]:
    """One pretraining, and the method that was trained."""
    kept: dict[str, Any] = {}
    values = {"clips": CLIPS, "precision": "fp64", "keep": kept, **options}
    return toy_engine.run(folder, kind=KINDS[kind], **values), kept["method"]  # type: ignore[arg-type]


def main() -> int:
    """``FOLDER CASES``: the cases, each an object with ``kind``, in FOLDER/0, FOLDER/1 ..."""
    torch.set_num_threads(1)
    try:
        for number, case in enumerate(json.loads(sys.argv[2])):
            run(Path(sys.argv[1]) / str(number), **case)
    except SslskelError as fault:
        print(fault, file=sys.stderr)
        return fault.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
