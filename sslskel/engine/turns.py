"""The optimisers of a run, and their updates in a step.

Most methods have one. With several, each takes a turn with loss terms, rates, clipping, loss scale and state of
its own, while the parameters of the others are constants.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sslskel.api.distributed import sum_over_processes, world_size
from sslskel.api.method import PretextMethod, Progress
from sslskel.api.noise import Noise
from sslskel.api.turn import Turn
from sslskel.config.compose import from_plain, to_plain
from sslskel.config.groups import Precision, TrainConfig
from sslskel.engine.gradients import Part, backward, outcome
from sslskel.engine.guard import StepFacts, StepGuard
from sslskel.engine.optim import build_optimiser, optimiser_tensors, restore_optimiser, set_decay, set_rate
from sslskel.engine.schedule import learning_rate, weight_decay
from sslskel.errors import CheckpointError, RunError, UsageError

OF_THE_RUN = frozenset(
    {
        "epochs",
        "batch_size",
        "accumulate",
        "drop_last",
        "checkpoint_epochs",
        "keep_checkpoints",
        "also",
        "stop_after",
        "probe",
        "probe_epochs",
        "selection",
    }
)
"""Options of ``train`` that no turn can have for itself."""


@dataclass(frozen=True)
class _Update:
    """One optimiser, and what belongs to it."""

    turn: Turn
    train: TrainConfig
    parameters: list[tuple[str, nn.Parameter]]
    optimiser: torch.optim.Optimizer
    guard: StepGuard

    def tensors(self) -> dict[str, Tensor]:
        return {**optimiser_tensors(self.optimiser), **self.guard.tensors()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        self.guard.restore(tensors)
        restore_optimiser(self.optimiser, {k: v for k, v in tensors.items() if k not in self.guard.tensors()})

    def due(self, step: int) -> bool:
        return (step + 1) % self.turn.every == 0


class Turns:
    """All optimisers of a method; raises ``UsageError`` where its turns cannot be taken."""

    def __init__(self, method: PretextMethod, train: TrainConfig, precision: Precision, device: torch.device) -> None:
        turns = method.turns()
        self._method = method
        self._trained = [(name, p, p.requires_grad) for name, p in method.named_parameters()]
        self.several = len(turns) > 1
        every = [(name, p) for name, p, trained in self._trained if trained]
        if self.several:
            _refuse_bad_turns(turns, every)
        shut = torch.zeros((), dtype=torch.bool, device=device)
        self._updates = []
        for turn in turns:
            own = {id(p) for group in turn.groups for p in group["params"]}
            parameters = [(name, p) for name, p in every if not self.several or id(p) in own]
            options = of_turn(train, turn)
            optimiser = build_optimiser(turn.groups, options)
            guard = StepGuard(parameters, optimiser, options.clip_norm, precision is Precision.fp16, shut)
            self._updates.append(_Update(turn, options, parameters, optimiser, guard))

    def tensors(self) -> dict[str, Tensor]:
        """State per parameter and loss scales, for checkpoints; under the turns' names where there are several."""
        if not self.several:
            return self._updates[0].tensors()
        return {f"{u.turn.name}/{name}": value for u in self._updates for name, value in u.tensors().items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put back what :meth:`tensors` gave; ``CheckpointError`` where it is of other turns or parameters."""
        if not self.several:
            self._updates[0].restore(tensors)
            return
        names = [update.turn.name for update in self._updates]
        other = next((name for name in tensors if name.partition("/")[0] not in names), None)
        if other is not None:
            raise CheckpointError(
                f"optimiser state '{other}' is of no turn of the method, which has {', '.join(names)}"
            )
        for update in self._updates:
            head = f"{update.turn.name}/"
            update.restore({name[len(head) :]: v for name, v in tensors.items() if name.startswith(head)})

    def step(
        self,
        model: Any,
        parts: Sequence[Part],
        whole: bool,
        clips: int,
        noise: Noise,
        progress: Progress,
        stops: tuple[float, float],
    ) -> tuple[float, StepFacts]:
        """Take the turns that are due on one global batch; arguments as of ``gradients.backward``.

        Returns the learning rate (of the first of them; 0 where the method updates nothing) and what the host may
        want to know.
        """
        self._method.zero_grad(set_to_none=True)
        rates, taken, updating = [], [], self._method.updates(progress)
        for update in self._updates:
            if not update.due(progress.step):
                continue
            now = progress._replace(turn=update.turn.name)
            if not updating:
                rates.append(0.0)
                sums = outcome(model, self._method, parts, noise, now, stops)
                taken.append((update.turn.name, update.guard.watch(sums)))
                continue
            rate = learning_rate(update.train, progress.epoch)
            set_rate(update.optimiser, rate)
            set_decay(update.optimiser, weight_decay(update.train).at(progress))
            self._require_same_trained()
            with self._others_constant(update):
                sums = backward(model, self._method, parts, whole, clips, noise, now, update.guard.scale, stops)
                if self.several:
                    _exchange(update)
            self._require_same_trained()
            rates.append(rate)
            taken.append((update.turn.name, update.guard.update(sums)))
        if not self.several:
            return rates[0], taken[0][1]
        return rates[0], _joined(taken, rates)

    @contextmanager
    def _others_constant(self, update: _Update) -> Iterator[None]:
        others = [p for other in self._updates if other is not update for _, p in other.parameters]
        for parameter in others:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in others:
                parameter.requires_grad_(True)

    def _require_same_trained(self) -> None:
        changed = [name for name, p, trained in self._trained if p.requires_grad != trained]
        if changed:
            raise RunError(
                f"requires_grad of {', '.join(changed[:3])} was changed during training; which parameters train is"
                " settled in the constructor: for another choice later on make two stages, or several turns()"
            )


def of_turn(train: TrainConfig, turn: Turn) -> TrainConfig:
    """The run's options with those of the turn's recipe; ``UsageError`` for one that a turn cannot have."""
    if not turn.recipe:
        return train
    wrong = sorted(OF_THE_RUN & set(turn.recipe))
    if wrong:
        raise UsageError(f"train.{wrong[0]} applies to the whole run; it cannot be in the recipe of turn '{turn.name}'")
    return from_plain(TrainConfig, {**to_plain(train), **turn.recipe}, f"the recipe of turn '{turn.name}'")


def _refuse_bad_turns(turns: Sequence[Turn], trained: Sequence[tuple[str, nn.Parameter]]) -> None:
    names = [turn.name for turn in turns]
    if len(set(names)) < len(names) or not all(names):
        raise UsageError(f"turns need names of their own, but they are called {', '.join(map(repr, names))}")
    if all(turn.every > 1 for turn in turns):
        raise UsageError("at least one turn must be taken at every step; leave its `every` at 1")
    of_turns = Counter(id(p) for turn in turns for group in turn.groups for p in group["params"])
    in_none = [name for name, p in trained if of_turns[id(p)] == 0]
    if in_none:
        raise UsageError(
            f"{', '.join(in_none[:3])} would not be trained: put every parameter into the groups of one turn, or set"
            " requires_grad=False in the constructor"
        )
    in_two = [name for name, p in trained if of_turns[id(p)] > 1]
    if in_two:
        twice = dict(trained)[in_two[0]]
        where = [
            f"turn '{turn.name}'" for turn in turns for group in turn.groups for p in group["params"] if p is twice
        ]
        raise UsageError(
            f"{', '.join(in_two[:3])} belongs to {' and '.join(where)}; a parameter is updated in one turn alone"
        )


def _exchange(update: _Update) -> None:
    """Average the turn's gradients over processes, in one exchange."""
    without = [name for name, p in update.parameters if p.grad is None]
    if without:
        raise RunError(
            f"the loss of turn '{update.turn.name}' does not reach {', '.join(without[:3])}, which belong to it; use"
            " them in its terms or move them to another turn"
        )
    if world_size() == 1:
        return
    gradients = [p.grad for _, p in update.parameters if p.grad is not None]
    every = sum_over_processes(torch.cat([gradient.flatten() for gradient in gradients])) / world_size()
    for gradient, mean in zip(gradients, torch.split(every, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def _joined(taken: Sequence[tuple[str, StepFacts]], rates: Sequence[float]) -> StepFacts:
    """The facts of a step's turns as those of one step: names get the turn's in front."""
    terms = [f"{turn}.{name}" for turn, facts in taken for name in facts.terms]
    first = taken[0][1].values.new_full((), -1)
    before, behind = 0, len(terms)
    gradients: list[str] = []
    losses, metrics, norms, watched = [], [], [], []
    for (turn, facts), rate in zip(taken, rates, strict=True):
        fault, norm, _, _, *rest = facts.values.unbind()
        count = len(facts.terms)
        place = torch.where(fault < count, fault + before, fault - count + behind)
        first = torch.where((first < 0) & (fault >= 0), place, first)
        before, behind = before + count, behind + len(facts.watched) - count
        gradients += facts.watched[count:]
        losses += rest[:count]
        metrics += [*rest[count:], norm, norm.new_full((), rate)]
        watched += [f"{turn}.{name}" for name in (*facts.metrics, "gradient_norm", "lr")]
        norms.append(norm)
    norm = torch.linalg.vector_norm(torch.stack(norms))
    values = torch.cat([torch.stack([first, norm]), taken[0][1].values[2:4], torch.stack([*losses, *metrics])])
    return StepFacts(tuple(terms), tuple(watched), (*terms, *gradients), values)
