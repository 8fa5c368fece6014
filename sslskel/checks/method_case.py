"""A method under check: how it is built small, which views it gets, and what a step of it says.

What it is held to is in ``method`` and the modules beside it.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from sslskel.api.backbone import Backbone
from sslskel.api.batch import Batch, StepOutput
from sslskel.api.dataset import DatasetInfo
from sslskel.api.method import PretextMethod, Progress
from sslskel.api.noise import Noise
from sslskel.api.turn import Turn
from sslskel.api.unbound import unbound_named
from sslskel.api.view import ClipSpec
from sslskel.checks.fixtures import dataset_info, make_source, make_spec, small_config
from sslskel.checks.runner import Skip, expect
from sslskel.data.loader import ClipSource
from sslskel.data.step_views import step_views
from sslskel.engine.optimisers import SGD
from sslskel.engine.training_clips import SourceClips

CLIPS = 12
FEW = 8
"""Clips of checks that take several steps, or steps on several kinds of clips."""
EPOCHS = 50


@dataclasses.dataclass
class MethodCase:
    """A method to check: its class, a small configuration, and a small backbone."""

    plugin: type[PretextMethod]
    config: object
    backbone: type[Backbone]
    info: DatasetInfo = dataclasses.field(default_factory=dataset_info)
    backbone_config: object = None
    """Default: the defaults with small layers."""
    _stepped: dict[torch.dtype, PretextMethod] = dataclasses.field(default_factory=dict, init=False, repr=False)

    @functools.cached_property
    def spec(self) -> ClipSpec:
        """The clips of most checks."""
        return make_spec(self.info)

    def build(
        self,
        spec: ClipSpec | None = None,
        *,
        config: object = None,
        seed: int = 0,
        started: bool = True,
        clips: int = CLIPS,
    ) -> PretextMethod:
        """A fresh method in training mode, its weights a function of the seed; ``started``: an epoch has begun."""

        def build_backbone(clip: ClipSpec) -> Backbone:
            return self.backbone(self.backbone_config or small_config(self.backbone.Config), clip)

        known = dataclasses.replace(spec or self.spec, clips=clips)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            method = self.plugin(config or self.config, build_backbone, known)
        if started and self.plugin.on_epoch_start is not PretextMethod.on_epoch_start:
            start_epoch(method.eval(), make_source(self.info, clips, known))
        return method.train()

    def views(
        self, method: PretextMethod, step: int = 0, *, dtype: torch.dtype = torch.float32, clips: int = CLIPS
    ) -> tuple[list[Batch], Noise]:
        """The views the method asks for of the first clips, and the noise of a step."""
        source = make_source(self.info, clips, method.clip, dtype)
        noise = Noise(7, step).over(source.keys)
        return list(step_views(source, torch.arange(clips), method.views(), noise)), noise

    @functools.cached_property
    def first_loss(self) -> float:
        """The loss of the first step of :meth:`build`."""
        method = self.build()
        return loss_of(method, *self.views(method))

    def stepped(self, dtype: torch.dtype = torch.float32) -> PretextMethod:
        """A method that has taken one step where it trains: the step of all checks that ask, and a copy for each."""
        if dtype not in self._stepped:
            method = self.build().to(dtype)
            views, noise = self.views(method, dtype=dtype)
            if self.plugin.trains:
                optimiser = SGD([p for p in method.parameters() if p.requires_grad], lr=1e-2)
                forward(method, views, noise).loss().backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                method.on_step_end(step_at(), noise)
            self._stepped[dtype] = method
        return copy.deepcopy(self._stepped[dtype])

    def require_training(self) -> None:
        """Skip the running check for a method that takes no step."""
        if not self.plugin.trains:
            raise Skip("it does not train (trains = False)")

    def require_separate_clips(self) -> None:
        """Skip the running check for a method whose clips see each other."""
        if self.plugin.cross_batch:
            raise Skip("its clips see each other (cross_batch = True)")
        if self.backbone.batch_statistics:
            raise Skip(f"clips see each other in {self.backbone.__name__} (batch_statistics = True)")


def step_at(step: int = 0) -> Progress:
    """Progress of a run of 50 epochs of one step."""
    return Progress(step, 1, EPOCHS, CLIPS, CLIPS, seed=7)


@torch.no_grad()
def start_epoch(method: PretextMethod, source: ClipSource, step: int = 0) -> None:
    """What the engine does at the first step of an epoch."""
    method.on_epoch_start(SourceClips(source), Noise(7, step).between_steps(), step_at(step))


def forward(method: PretextMethod, views: Sequence[Batch], noise: Noise, step: int = 0) -> StepOutput:
    """The output of a step, momentum updates and the like included; of all its turns, where there are several."""
    method.on_step_start(step_at(step), noise)
    turns = [turn.name for turn in method.turns()]
    outputs = [output_of(method, turn, views, noise, step) for turn in turns]
    if len(turns) == 1:
        return outputs[0]
    named = list(zip(turns, outputs, strict=True))
    terms = {f"{turn}.{name}": term for turn, output in named for name, term in output.terms.items()}
    return StepOutput(terms, {f"{turn}.{name}": v for turn, output in named for name, v in output.metrics.items()})


def output_of(method: PretextMethod, turn: str, views: Sequence[Batch], noise: Noise, step: int) -> StepOutput:
    """What the forward pass of one turn returns."""
    with unbound_named(method):
        output: StepOutput = method(views, noise, step_at(step)._replace(turn=turn))
    return output


@contextmanager
def only(method: PretextMethod, turn: Turn) -> Iterator[None]:
    """Inside, the parameters of all other turns are constants."""
    own = {id(p) for group in turn.groups for p in group["params"]}
    others = [p for p in method.parameters() if p.requires_grad and id(p) not in own]
    for parameter in others:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in others:
            parameter.requires_grad_(True)


def loss_of(method: PretextMethod, views: Sequence[Batch], noise: Noise) -> float:
    """The loss of a step of a copy, so that queues and momentum of the method itself stay."""
    return float(forward(copy.deepcopy(method), views, noise).loss().detach())


def select(batch: Batch, clips: Tensor) -> Batch:
    """The batch of these clips (k,), in this order."""
    place = torch.full((batch.num_clips,), -1, dtype=torch.int64)
    place[clips] = torch.arange(len(clips))
    owner = place[batch.owner]
    rows = owner.argsort(stable=True)
    rows = rows[owner[rows] >= 0]
    of_clips = (batch.key[clips], batch.label[clips], batch.position[clips])
    known = batch.known[rows] if batch.lacks_joints else batch.known
    return Batch(batch.tracks[rows], batch.valid[rows], owner[rows], batch.slot[rows], *of_clips, known)


def close_enough(value: float, wanted: float, message: str, tolerance: float = 1e-6) -> None:
    """Fail the running check where two numbers differ by more than a relative tolerance."""
    expect(abs(value - wanted) <= tolerance * max(1.0, abs(wanted)), f"{message}: {value:.9g} against {wanted:.9g}")
