"""The interface of a pretext method: views in, terms of a loss out, encoders at the end.

The framework owns the loop, optimiser, data and logging; a method owns the maths.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, NamedTuple, Protocol

from torch import nn

from sslskel.api.backbone import Backbone, ConfigT
from sslskel.api.batch import Batch, StepOutput
from sslskel.api.clips import TrainingClips
from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.api.origin import Origin
from sslskel.api.turn import Turn
from sslskel.api.view import ClipSpec, ViewSpec


class Progress(NamedTuple):
    """Progress of training. Steps count batches from 0, those without an update too."""

    step: int
    steps_per_epoch: int
    epochs: int
    clips: int = 0
    """Clips of the training set; 0 if unknown, as are the next two."""
    batch_size: int = 0
    """Clips of a whole step, over all processes."""
    seed: int = 0
    turn: str = ""
    """Name of the current turn, if the method has several (:meth:`PretextMethod.turns`)."""

    @property
    def epoch(self) -> float:
        """Epochs done so far, fractional."""
        return self.step / self.steps_per_epoch

    @property
    def fraction(self) -> float:
        """Share of training done, 0 to 1."""
        return self.step / (self.steps_per_epoch * self.epochs)


class BuildBackbone(Protocol):
    """Builds one fresh backbone of the run's kind at every call; raises ``UsageError`` if it does not fit."""

    def __call__(self, clip: ClipSpec, /) -> Backbone: ...


class MethodCard(NamedTuple):
    """Facts for the table of methods; empty where there are none."""

    paper: str = ""
    """Authors, title and venue."""
    year: int = 0
    family: str = ""
    """For instance ``momentum contrast`` or ``masked prediction``."""
    checked: str = ""
    """Recorded runs that the method is tested against; empty for one written from the paper alone."""
    departures: str = ""
    """Differences of the released code from the paper, in a phrase, if ``fidelity`` or a backbone selects them."""
    described: bool = False
    """True if no code was released and the method is written after the description alone: what no source states is
    ours, and boards say so."""
    protocols: tuple[str, ...] = ()
    """Protocols, presets of them included, under which its own paper or code judges frozen encoders; empty where that
    is not known, or no protocol here is like it."""


class PretextMethod(nn.Module, ABC, Generic[ConfigT]):
    """A self-supervised objective on skeleton clips.

    ``class MyMethod(PretextMethod[MyConfig])`` gives a plain dataclass ``Config`` (the only place of its defaults; it
    validates itself in ``__post_init__``) and :meth:`forward`. ``recipe`` has the default training options: values of
    the ``train``, ``clip`` and ``backbone`` groups as released, as nested mappings; those of ``backbone`` are for
    ``default_backbone`` alone.
    """

    Config: ClassVar[type]
    """Dataclass of the options, a default for each."""
    version: ClassVar[int] = 1
    """Bump when numbers change."""
    cross_batch: ClassVar[bool] = False
    """True if clips see each other (queues, batch statistics): accumulation is refused."""
    negatives_per_part: ClassVar[bool] = False
    """True if ``cross_batch`` concerns only the clips of one forward pass, over all processes, and the pass changes
    nothing else of the method: ``train.accumulate`` then cuts the batch into parts that do not see each other."""
    trains: ClassVar[bool] = True
    """False for floors: the engine takes no step and keeps the initial weights."""
    reads_labels: ClassVar[bool] = False
    """True for a supervised reference, with ``trains = False``: nothing is pretrained, and protocols that train all
    weights on labels train the ``classifier`` of its encoders. Pretraining shows no method a label."""
    reads_unlabelled: ClassVar[bool] = False
    """True for a semi-supervised system, with ``reads_labels``: its classifiers learn from labelled clips beside
    unlabelled ones, and no protocol but those that give both trains it."""
    uses_backbone: ClassVar[bool] = True
    """False if the method builds none; records then do not name one."""
    bare_backbone: ClassVar[bool] = False
    """True for the one built-in method that is the backbone and nothing else: encoders whose own method is not
    known here are opened as its."""
    default_backbone: ClassVar[str] = "transformer"
    """Backbone used by default."""
    recipe: ClassVar[Mapping[str, Any]] = {}
    """Default training options: values of ``train``, ``clip`` and ``backbone``."""
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Its own sizes and schedules in presets of whole runs: ``{"quick": {"method": ..., "train": ...}}``, of the groups
    ``method``, ``train``, ``clip`` and, for ``default_backbone``, ``backbone``. The preset's file takes
    precedence."""
    card: ClassVar[MethodCard] = MethodCard()
    """Facts for the table of methods."""
    expected_failed_checks: ClassVar[Mapping[str, str]] = {}
    """Name of a contract check -> reason why it does not apply."""

    def __init__(self, config: ConfigT, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        """Build the networks, and decide which of their parameters are trained. Reads no file."""
        super().__init__()
        self.config, self.clip = config, clip

    @classmethod
    def origins(cls, config: ConfigT) -> tuple[Origin, ...]:  # type: ignore[misc]  # read only, as in the constructor
        """Every file and checkpoint that :meth:`load_start` reads with this configuration.

        Their content is part of a run's identity; results name them, and what a checkpoint saw counts as seen. A
        missing one is an error before any work. Reads nothing itself.
        """
        return ()

    def views(self) -> tuple[ViewSpec, ...]:
        """Views that the method needs of each clip, each cut from the raw clip."""
        return (self.clip.train_view,)

    def require_batches(self, smallest: int, largest: int) -> None:
        """Raise ``UsageError`` if a step with this number of clips, over all processes, cannot be trained on."""

    def load_start(self) -> None:
        """Fill weights from files, in place: once for a new run, on every process, and before ``--init``.

        Reads what :meth:`origins` declares. Not called when a checkpoint is continued or opened, so it opens on
        machines without the files; no other hook reads files.
        """

    def on_part_loaded(self) -> None:
        """After a new run took a part of other weights: a network that follows another one copies its values here.

        Called for ``--init PATH:PART`` and for stages that take a part; never where all weights came from one network.
        """

    def on_epoch_start(self, clips: TrainingClips, noise: Noise, progress: Progress) -> None:
        """Before the first step of each epoch, in eval mode and without gradients: passes over the training set.

        Called by every process; each may read all clips or ``clips.share()``. A run that resumes inside an epoch does
        not call it again: results must be in buffers. ``noise`` is unbound and independent of that of the steps.
        """

    def on_step_start(self, progress: Progress, noise: Noise) -> None:
        """Before the forward pass: momentum updates that key features need. ``noise`` is that of the step."""

    @abstractmethod
    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """The loss of a step. ``views`` are those of :meth:`views`; labels must not be read.

        ``noise`` is unbound: use ``noise.view(i).on(views[i])`` for per-item draws.
        """

    def as_released(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """:meth:`forward` in plain form, as the released code computes it, on the same weights.

        ``sslskel speed --against as_released`` checks it against :meth:`forward` and measures both.
        Optional.
        """
        raise NotImplementedError

    def updates(self, progress: Progress) -> bool:
        """Whether this step changes weights. Where not, there is a forward pass, and no gradient or optimiser step.

        The answer must follow from ``progress`` alone, so that all processes give the same one.
        """
        return True

    def on_step_end(self, progress: Progress, noise: Noise) -> None:
        """After the optimiser step, also where none was taken: queues and schedules. ``noise`` is that of the step."""

    @abstractmethod
    def encoders(self) -> dict[str, Encoder]:
        """Encoders per stream (``joint``, ``bone``, ``motion``), for protocols."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Optimiser groups. Default: weight decay on tensors of more than one dimension only."""
        trained = [p for p in self.parameters() if p.requires_grad]
        return [
            {"params": [p for p in trained if p.ndim > 1]},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]

    def turns(self) -> Sequence[Turn]:
        """The optimisers, in the order of their turns in a step: one, unless a method has adversaries.

        With several, every trained parameter belongs to exactly one.
        """
        return (Turn("", self.parameter_groups()),)
