"""Linear heads while they are trained: one per stream and learning rate, all on the same features.

Their options are here too. A single head and its step are in ``linear_head``; which clips they are
trained on, and what is reported, the protocols say.
"""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.api.protocol import ClipSet, ProtocolRun
from sslskel.config.groups import Optimiser, Schedule, require
from sslskel.engine.optimisers import SGD, Adam
from sslskel.errors import Diverged
from sslskel.evaluation.features import View, clip_features, dropping, feature_dtype
from sslskel.evaluation.linear_convergence import has_converged, views_kept
from sslskel.evaluation.linear_head import (
    HeadStart,
    LinearHead,
    cosine_rate,
    fit_epoch,
    initial_deviation,
    mini_batches,
    step_rate,
)
from sslskel.evaluation.recipes import recipe_label
from sslskel.evaluation.selection import Report, Selection, require_report
from sslskel.hashing import stable_id

Heads = Mapping[str, LinearHead]


@dataclass
class LinearConfig:
    """Defaults are the released MAMP linear probe for NTU (Mao et al., ICCV 2023), 256 clips on its two GPUs."""

    recipe: str = "mamp"
    """Name under which the record says how the head was trained; changed fields are added to it."""
    epochs: int = 100
    """Times that the training part is gone through."""
    batch_size: int = 256
    """Clips of a step; the whole training part where it is smaller."""
    min_steps: int = 4000
    """Fewest steps. A small training part goes several times through the features of each epoch; one that has
    as many steps by itself is trained as released."""
    lr: float = 0.1
    """At the first step."""
    rates: list[float] = field(default_factory=list)
    """Learning rates to train a head at each, on the same features, instead of ``lr``. The one that is
    best on the validation part is reported, by its head that was trained on the whole training part."""
    schedule: Schedule = Schedule.cosine
    """Half a cosine or a line to 0 at the end without warm-up, steps at milestones, or constant."""
    milestones: list[int] = field(default_factory=list)
    """Epochs, from 0, at which ``schedule=step`` multiplies the rate by ``decay``."""
    decay: float = 0.1
    """Factor of the learning rate at each of the ``milestones``."""
    optimiser: Optimiser = Optimiser.sgd
    """``sgd``, or ``adam`` as PSTL has it."""
    momentum: float = 0.9
    """Of SGD; with Adam its first beta, the second is 0.999."""
    nesterov: bool = False
    """Nesterov's form of SGD's momentum."""
    clip_norm: float = 0.0
    """Largest gradient norm; 0 for no clipping."""
    weight_decay: float = 0.0
    """Weight decay of the head."""
    norm: bool = True
    """Normalise features by BatchNorm without scale and shift before the layer."""
    init_std: float = 0.01
    """Standard deviation of the layer's initial weights; its bias starts at 0."""
    head_start: HeadStart = HeadStart.normal
    """``xavier`` takes a standard deviation of sqrt(2 / (D + classes)) in place of ``init_std``."""
    augment: bool = True
    """Train on the encoder's training view; otherwise on its test view, encoded once."""
    views: int = 0
    """Augmented views to encode and go round; 0 for a fresh one every epoch, as released."""
    selection: Selection = Selection.last
    report: Report = Report.selected
    """``best_test_epoch``, or ``best_test_head`` of a grid, records that number too, marked as chosen on test; it
    never ranks."""
    encoder_dropout: bool = False
    """Whether the frozen encoder drops values while heads are trained, as in the released GL-Transformer."""
    level: str = ""
    """Which of the encoder's levels is read, for instance ``joints``; empty for its feature."""
    levels: list[str] = field(default_factory=list)
    """Levels to train the heads of ``rates`` on, one after the other, in place of ``level``. The pair of level and
    rate that is best on the validation part is reported."""
    encode_batch: int = 128
    """Clips that an encoder sees at a time; a matter of memory and speed only."""
    unsaid: ClassVar[Mapping[str, object]] = {
        "nesterov": False,
        "clip_norm": 0.0,
        "head_start": "normal",
        "levels": [],
    }

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "encode_batch"):
            require(getattr(self, name) >= 1, f"protocol.{name} is {getattr(self, name)}; it must be at least 1")
        require(self.batch_size >= 2, "protocol.batch_size is 1; the head's batch statistics need at least 2 clips")
        require(0 < self.lr < math.inf, f"protocol.lr is {self.lr}; it must be positive")
        for rate in self.rates:
            require(0 < rate < math.inf, f"protocol.rates has {rate}; a learning rate must be positive")
        require(len(set(self.rates)) == len(self.rates), f"protocol.rates names a rate twice: {self.rates}")
        require(len(set(self.levels)) == len(self.levels), f"protocol.levels names a level twice: {self.levels}")
        require(
            not self.levels or (bool(self.rates) and not self.level),
            "protocol.levels needs protocol.rates, by which one of them is chosen, and no protocol.level",
        )
        require_report(self.report, Report.best_test_epoch, Report.best_test_head)
        require(
            self.report is not Report.best_test_head or bool(self.rates),
            "protocol.report=best_test_head needs a grid of heads; give protocol.rates",
        )
        require(0 <= self.momentum < 1, f"protocol.momentum is {self.momentum}; it must be in [0, 1)")
        require(
            not self.nesterov or (self.optimiser is Optimiser.sgd and self.momentum > 0),
            "protocol.nesterov=true needs protocol.optimiser=sgd and a protocol.momentum above 0",
        )
        for name in ("weight_decay", "views", "min_steps", "clip_norm"):
            require(getattr(self, name) >= 0, f"protocol.{name} is {getattr(self, name)}; it must not be negative")
        for name in ("decay", "init_std"):
            require(0 < getattr(self, name) <= 1, f"protocol.{name} is {getattr(self, name)}; it must be in (0, 1]")
        require(
            self.schedule is not Schedule.step or bool(self.milestones),
            "protocol.schedule=step needs protocol.milestones, for instance protocol.milestones=[80]",
        )
        require(
            self.optimiser in (Optimiser.sgd, Optimiser.adam),
            f"protocol.optimiser is {self.optimiser.value}; linear heads are trained with sgd or adam",
        )
        require(
            self.augment or not self.encoder_dropout,
            "protocol.encoder_dropout=true needs protocol.augment=true: without, clips are encoded once",
        )
        require(bool(self.recipe.strip()), "protocol.recipe is empty; give the recipe a name")

    def label(self) -> str:
        """The recipe's name and every field that differs from it, for records."""
        unsaid = {"selection", "report", "encode_batch"} | (set() if self.augment else {"views"})
        return recipe_label("linear", self, unsaid)


@torch.no_grad()
def mean_logits(heads: Heads, features: Mapping[str, Tensor]) -> Tensor:
    """Logits of every stream's head in eval mode, averaged over streams: (n, num_classes)."""
    return torch.stack([head.eval()(features[stream]) for stream, head in heads.items()]).mean(0)


@dataclass
class Contender:
    """A head per stream at one learning rate, trained on some of the clips."""

    rate: float
    rows: Tensor
    """(n,) positions among the training clips."""
    heads: dict[str, LinearHead]
    optimisers: dict[str, torch.optim.Optimizer]
    steps: int = 0
    diverged: str = ""
    """The stream whose loss was the first not to be finite."""


@dataclass(frozen=True)
class Chosen:
    """What training ended with."""

    heads: Heads
    epoch: int
    rate: float
    accuracy: float | None
    """On the held-out clips; None where nothing was chosen."""
    by_epoch: npt.NDArray[np.int64] | None
    """(E, n) classes predicted for the test clips after each epoch, where a report asks for them."""
    by_rate: Mapping[float, npt.NDArray[np.int64]]
    """(n,) classes predicted for them by the last heads of each rate, where a report asks for them."""
    steps: int
    """Of the reported heads, over all epochs."""
    train_accuracy: float
    """On the features of the last epoch."""
    converged: bool
    """Whether every head has; see ``linear_convergence``."""


class LinearTraining:
    """The heads of one evaluation, on clips whose features are encoded once an epoch, or kept.

    ``fit`` are positions of the clips without the held-out ones, where a rate is to be chosen
    on those: every rate then has two heads, one that never sees them and is asked, and one
    trained on all clips, which is reported.
    """

    def __init__(
        self,
        config: LinearConfig,
        encoders: Mapping[str, Encoder],
        clips: ClipSet,
        classes: int,
        run: ProtocolRun,
        fit: Tensor | None = None,
    ) -> None:
        self.config, self.encoders, self.clips, self.of_run = config, encoders, clips, run
        self.classes, self.labels = classes, clips.labels.to(run.device)
        every, rates = torch.arange(len(clips)), config.rates or [config.lr]
        self.reported = [self._contender(rate, every) for rate in rates]
        self.asked = self.reported if fit is None else [self._contender(rate, fit) for rate in rates]
        self._kept: dict[int, dict[str, Tensor]] = {}
        self._views: deque[dict[str, Tensor]] = deque(maxlen=views_kept(len(clips)))
        """Features of the last epochs, each view once."""

    def noise(self, epoch: int, *site: str) -> Noise:
        """Draws of an epoch (1-based; 0 for what is drawn once), none shared with pretraining."""
        return Noise(stable_id("linear", str(self.of_run.seed), *site), epoch)

    def encode(self, clips: ClipSet, view: View, draw: int, progress: str = "") -> dict[str, Tensor]:
        """Features of these clips per stream; ``draw`` numbers the augmented views."""
        noise = self.noise(draw, "view")
        drops = view == "train" and self.config.encoder_dropout
        with dropping(self.encoders) if drops else nullcontext():
            return clip_features(self.encoders, clips, view, noise, self.config.encode_batch, self.of_run, progress)

    def run(self, held: ClipSet | None, test: Mapping[str, Tensor] | None) -> Chosen:
        """Train all epochs and choose a rate and an epoch by accuracy on ``held``, if there is any.

        Of equals the first is taken. ``test`` are features of the test part where predictions
        of every epoch or head are reported. Raises ``Diverged`` where every head did.
        """
        features = None if held is None else self.encode(held, "test", 0, "encode validation")
        labels = None if held is None else held.labels.to(self.of_run.device)
        best: tuple[float, int, int, Heads] | None = None
        epochs, seen = self.config.epochs, _Predictions(len(self.reported))
        for epoch in range(1, epochs + 1):
            self._epoch(epoch)
            due = epoch == epochs or self.config.selection is Selection.validation
            if features is not None and labels is not None and due:
                for at, accuracy in self._accuracies(features, labels):
                    if best is None or accuracy > best[0]:
                        best = accuracy, at, epoch, copy.deepcopy(self.reported[at].heads)
            if test is not None:
                seen.add(self.reported, test)
            self.of_run.reporter.step("linear head, epoch", epoch, epochs)
        ended: tuple[float | None, int, int, Heads] = best or (None, 0, epochs, self.reported[0].heads)
        held_out, at, epoch, heads = ended
        report, chosen = self.config.report, self.reported[at]
        shown = seen.of(at) if report is Report.best_test_epoch else None
        grid = self.reported if report is Report.best_test_head else []
        by_rate = {contender.rate: seen.of(place)[-1] for place, contender in enumerate(grid)}
        return Chosen(heads, epoch, chosen.rate, held_out, shown, by_rate, chosen.steps, *self._end(heads))

    def _end(self, heads: Heads) -> tuple[float, bool]:
        """Training accuracy, and whether every head has converged."""
        right, decay = mean_logits(heads, self._views[-1]).argmax(1) == self.labels, self.config.weight_decay
        ended = (
            has_converged(head, [view[stream] for view in self._views], self.labels, decay)
            for stream, head in heads.items()
        )
        return float(right.double().mean()), all(ended)

    def _contender(self, rate: float, rows: Tensor) -> Contender:
        config, run = self.config, self.of_run
        heads: dict[str, LinearHead] = {}
        optimisers: dict[str, torch.optim.Optimizer] = {}
        for stream, encoder in self.encoders.items():
            head = LinearHead(
                encoder.dim,
                self.classes,
                self.noise(0, stream),
                feature_dtype(run),
                norm=config.norm,
                std=initial_deviation(config.head_start, config.init_std, encoder.dim, self.classes),
            ).to(run.device)
            heads[stream] = head
            optimisers[stream] = self._optimiser(head, rate)
        return Contender(rate, rows, heads, optimisers)

    def _optimiser(self, head: LinearHead, rate: float) -> torch.optim.Optimizer:
        momentum, decay = self.config.momentum, self.config.weight_decay
        if self.config.optimiser is Optimiser.adam:
            return Adam(head.parameters(), rate, betas=(momentum, 0.999), weight_decay=decay)
        return SGD(head.parameters(), rate, momentum=momentum, weight_decay=decay, nesterov=self.config.nesterov)

    def _accuracies(self, features: Mapping[str, Tensor], labels: Tensor) -> list[tuple[int, float]]:
        """Place and accuracy of every rate whose heads have not diverged."""
        finite = [
            at
            for at, (asked, shown) in enumerate(zip(self.asked, self.reported, strict=True))
            if not asked.diverged and not shown.diverged
        ]
        right = [mean_logits(self.asked[at].heads, features).argmax(1) == labels for at in finite]
        return [(at, float(one.double().mean())) for at, one in zip(finite, right, strict=True)]

    def _training_features(self, epoch: int) -> dict[str, Tensor]:
        """Features for an epoch; those that a later epoch sees again are kept."""
        if self.config.augment and not self.config.views:
            return self.encode(self.clips, "train", epoch)
        draw = 1 + (epoch - 1) % self.config.views if self.config.augment else 0
        if draw not in self._kept:
            self._kept[draw] = self.encode(self.clips, "train" if self.config.augment else "test", draw)
        return self._kept[draw]

    def _epoch(self, epoch: int) -> None:
        """One epoch of every head; raises ``Diverged`` where none of them has a finite loss any more."""
        features = self._training_features(epoch)
        if not any(features is view for view in self._views):
            self._views.append(features)
        sets = self.reported if self.asked is self.reported else [*self.reported, *self.asked]
        for contender in sets:
            if not contender.diverged:
                self._train(contender, epoch, features)
        if all(contender.diverged for contender in self.reported):
            stream, option = self.reported[0].diverged, "protocol.rates" if self.config.rates else "protocol.lr"
            raise Diverged(f"the linear head of stream '{stream}' diverged in epoch {epoch}; lower {option}")

    def _train(self, contender: Contender, epoch: int, features: Mapping[str, Tensor]) -> None:
        batches = self._batches(contender.rows, epoch)
        contender.steps += len(batches)
        rates = self._rates(contender.rate, epoch, len(batches))
        for stream, head in contender.heads.items():
            optimiser = contender.optimisers[stream]
            loss = fit_epoch(head, optimiser, features[stream], self.labels, batches, rates, self.config.clip_norm)
            if not torch.isfinite(loss):
                contender.diverged = contender.diverged or stream

    def _batches(self, rows: Tensor, epoch: int) -> list[Tensor]:
        """The mini-batches of an epoch, of as many rounds over ``rows`` as the fewest steps take."""
        config, batches = self.config, []
        of_round = len(mini_batches(rows, config.batch_size))
        for number in range(max(1, math.ceil(config.min_steps / (config.epochs * of_round)))):
            site = ("order", str(number)) if number else ("order",)
            order = self.noise(epoch, *site).permutation("order", len(rows), per="batch")
            batches += mini_batches(rows[order].to(self.of_run.device), config.batch_size)
        return batches

    def _rates(self, base: float, epoch: int, steps: int) -> list[float]:
        """The learning rate of every step of an epoch."""
        config = self.config
        done, total = (epoch - 1) * steps, config.epochs * steps
        if config.schedule is Schedule.cosine:
            return [cosine_rate(base, done + at, total) for at in range(steps)]
        if config.schedule is Schedule.linear:
            return [base * (1 - (done + at) / total) for at in range(steps)]
        milestones: Sequence[int] = config.milestones if config.schedule is Schedule.step else ()
        return [step_rate(base, epoch - 1, milestones, config.decay)] * steps


class _Predictions:
    """Predicted test classes of every contender and epoch, small enough to keep them all."""

    def __init__(self, contenders: int) -> None:
        self._rows: list[list[Tensor]] = [[] for _ in range(contenders)]

    def add(self, contenders: Sequence[Contender], features: Mapping[str, Tensor]) -> None:
        for rows, contender in zip(self._rows, contenders, strict=True):
            rows.append(mean_logits(contender.heads, features).argmax(1).to("cpu", torch.int16))

    def of(self, contender: int) -> npt.NDArray[np.int64]:
        """(E, n)."""
        rows: npt.NDArray[np.int64] = torch.stack(self._rows[contender]).long().numpy()
        return rows
