"""A score of the encoder every few epochs of its pretraining, and the weights that had the best one.

What is scored, and on which clips, the caller decides (``sslskel.grid.probe``): no label comes into the engine,
and the method that trains is only read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from sslskel.api.distributed import of_first
from sslskel.config.groups import Chosen, TrainConfig
from sslskel.progress import SILENT, Reporter

KEPT = "best by probe/"
"""Begins the names of the best weights so far among a checkpoint's tensors."""


@dataclass(frozen=True)
class Probe:
    """What looks at a pretraining from outside."""

    name: str
    """What is scored and on what: ``PROTOCOL/subjects`` or ``PROTOCOL/clips``."""
    score: Callable[[Mapping[str, Tensor]], float]
    """Weights and buffers of the method -> a share, higher is better. Must leave both and every generator alone."""


class Watch(NamedTuple):
    """Who looks on while a method trains."""

    reporter: Reporter = SILENT
    """Gets every step."""
    probe: Probe | None = None


UNWATCHED = Watch()


class Probing:
    """The scores of one run: when they are due, what they were, and what a checkpoint keeps of them."""

    def __init__(self, probe: Probe | None, train: TrainConfig, steps_per_epoch: int, total: int) -> None:
        self._probe, self._every = probe, train.probe_epochs * steps_per_epoch
        self._of_epoch, self._total = steps_per_epoch, total
        self._chooses = train.selection is Chosen.probe
        self._scores: dict[int, float] = {}
        self._best: dict[str, Tensor] = {}

    @property
    def name(self) -> str:
        """Of the probe; empty where there is none."""
        return self._probe.name if self._probe else ""

    def due(self, step: int) -> bool:
        """Whether the weights after so many steps are still to be scored: every few epochs from 0 on, and the last."""
        return self._probe is not None and step not in self._scores and (step % self._every == 0 or step == self._total)

    def score(self, step: int, weights: Mapping[str, Tensor]) -> float:
        """Score the method's state; of several processes the first does it while the others wait for its answer."""
        assert self._probe is not None
        judge = self._probe.score
        value = float(of_first(lambda: repr(judge(weights))))
        if self._chooses and step and value > max((v for at, v in self._scores.items() if at), default=-1.0):
            self._best = {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}
        self._scores[step] = value
        return value

    def left(self, weights: Mapping[str, Tensor], step: int) -> Mapping[str, Tensor]:
        """The weights that a checkpoint holds: those of the step, at the end the best ones if asked for."""
        return self._best if self._chooses and step == self._total else weights

    def tensors(self, step: int) -> dict[str, Tensor]:
        """What a checkpoint keeps beside the optimiser's state, so that a continued run can choose as well."""
        return {} if step == self._total else {f"{KEPT}{name}": tensor for name, tensor in self._best.items()}

    def state(self, step: int) -> dict[str, Any]:
        """What ``state.json`` says of it: nothing where nothing is scored."""
        if self._probe is None:
            return {}
        facts: dict[str, Any] = {"name": self.name, "scores": sorted(self._scores.items())}
        if self._chooses and step == self._total:
            trained = {at: value for at, value in self._scores.items() if at}
            facts["chosen_epoch"] = max(trained, key=lambda at: (trained[at], -at)) / self._of_epoch
        return {"probe": facts}

    def restore(self, state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Go on from a checkpoint; returns the optimiser's tensors. Scores of another probe do not count."""
        facts = state.get("probe", {})
        if facts.get("name") == self.name:
            self._scores = {int(step): float(value) for step, value in facts["scores"]}
            self._best = {name[len(KEPT) :]: one for name, one in tensors.items() if name.startswith(KEPT)}
        return {name: one for name, one in tensors.items() if not name.startswith(KEPT)}
