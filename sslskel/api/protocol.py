"""The interface of an evaluation protocol: encoders and parts in, rows of predictions out.

A protocol never sees a test label and never picks its own epoch: it returns
predictions, and the harness scores them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sslskel.api.backbone import ConfigT
from sslskel.api.batch import Batch
from sslskel.api.dataset import Segments
from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.api.view import ClipSpec, ViewSpec
from sslskel.progress import Reporter

Rows = TypeVar("Rows", bound=Sized)


class ClipSet(Protocol):
    """Clips of a prepared dataset, read in batches."""

    spec: ClipSpec
    """Layout, coordinates and unit in which they are read."""
    keys: Tensor
    """(n,) int64 ids. Those of the test part are sealed: they are not the ids that records hold."""
    labels: Tensor
    """(n,) int64; all -1 where labels are withheld (the test part)."""
    lengths: Tensor
    """(n,) int64 raw frames, for windows over a clip."""
    segments: Segments | None
    """Annotated actions of a set of recordings, ``owner`` is the index in it; None where withheld (the
    test part) and for clips."""

    def __len__(self) -> int: ...

    def batches(self, view: ViewSpec, noise: Noise, size: int) -> Iterator[Batch]:
        """Every clip once, in order, ``size`` clips at a time (the last batch may be smaller)."""
        ...

    def subset(self, rows: Tensor) -> ClipSet:
        """The clips at these positions, in this order."""
        ...


class Parts(NamedTuple):
    """The parts of a split. ``fit`` and ``validation`` together are ``train``."""

    train: ClipSet
    fit: ClipSet | None
    validation: ClipSet | None
    """None where the split has no validation part."""
    test: ClipSet
    """Labels withheld, keys sealed, in shuffled order."""
    classes: tuple[str, ...]


class FeatureStore(Protocol):
    """A cache of features of frozen encoders, shared by protocols."""

    def table(
        self,
        names: Mapping[str, Any],
        make: Callable[[], npt.NDArray[Any]],
        fits: Callable[[npt.NDArray[Any]], bool] = ...,
    ) -> npt.NDArray[Any]:
        """The (n, D) table that ``names`` stand for, read, or made and kept; one that does not fit is made again."""
        ...

    def counted(self, make: Callable[[], Rows]) -> Rows:
        """Make a table that is not kept, such as one of augmented views, and note what it cost."""
        ...


class OtherWeights(Protocol):
    """Where encoders of the same shape and other weights come from; an ``OpenedEncoders`` is one."""

    def fresh(self, seed: int) -> Mapping[str, Encoder]:
        """Those with initial weights of a seed."""
        ...

    def earlier(self) -> Iterable[tuple[int, Mapping[str, Encoder]]]:
        """Those of earlier checkpoints of the pretraining, behind their step, oldest first."""
        ...


@dataclass(frozen=True)
class ProtocolRun:
    """What a protocol may know of its run."""

    seed: int
    device: torch.device
    dtype: torch.dtype
    autocast: Callable[[], AbstractContextManager[Any]]
    """Enter it around encoder passes: mixed precision where the run asked for it."""
    reporter: Reporter
    """Receives progress."""
    fresh: Callable[[], Mapping[str, Encoder]] | None = None
    """Builds the encoders again, on the run's device, with untrained weights that depend on the run's seed alone;
    None if they cannot be built."""
    earlier: Callable[[], Iterable[tuple[int, Mapping[str, Encoder]]]] | None = None
    """Step and encoders of each earlier checkpoint that their pretraining has kept, oldest first, one at a time;
    None if there is no pretraining."""
    features: FeatureStore | None = None
    """Cache of features of deterministic views; None caches nothing."""


@dataclass(frozen=True)
class Outcome:
    """Rows of predictions: one per (clip, condition, draw, epoch), or several with different ``item``.

    ``values`` holds arrays with R rows, such as ``logits`` (R, num_classes) or
    ``predicted`` (R,). A protocol that trains one head and reports one epoch has
    one row per test clip and leaves the columns at their defaults.
    """

    keys: npt.NDArray[np.int64]
    """(R,) clip ids."""
    values: Mapping[str, npt.NDArray[Any]]
    condition: npt.NDArray[np.str_] | None = None
    """(R,) for instance clean, spatial, temporal; None means one unnamed condition."""
    draw: npt.NDArray[np.int64] | None = None
    """(R,) which random subset or episode; None means 0."""
    epoch: npt.NDArray[np.int64] | None = None
    """(R,) training epoch of the head, 1-based; None means the reported one."""
    by_epoch: npt.NDArray[np.int64] | None = None
    """(E, R) class predicted for each row after each epoch: the harness computes the best test epoch from it, for
    comparison with published code. None if a protocol has no epochs or this was not requested."""
    by_head: Mapping[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    """(R,) class predicted for each row by each head of a grid, by the head's name: the harness computes the best
    test head from it, for comparison with published code. Empty if there is no grid or this was not requested."""
    by_checkpoint: Mapping[int, npt.NDArray[np.int64]] = field(default_factory=dict)
    """(R,) class predicted for each row with the weights of each earlier checkpoint, by its step: the harness computes
    the best test checkpoint from it, for comparison with published code. Empty if this was not requested."""
    kept: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    """Other arrays to keep beside the record, such as which training clips had labels."""
    info: Mapping[str, Any] = field(default_factory=dict)
    """Facts for the record: ``epoch`` reported, ``labels`` used, ``selection`` and the like. JSON.
    ``classes`` lists, for each draw, the numbers of the classes that are scored where these are not all."""
    item: npt.NDArray[np.int64] | None = None
    """(R,) window or predicted segment of the clip; any number of rows per clip, including none.
    None means exactly one row per clip in every condition, draw and epoch."""


class Truth(NamedTuple):
    """What scoring needs and protocols do not see: labels of the test clips."""

    keys: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    clips: ClipSet | None = None
    """The test clips themselves, for protocols that predict frames and not classes."""
    segments: Segments | None = None
    """Annotated actions if the protocol evaluates recordings; ``owner`` is the index in ``keys``."""

    def of(self, keys: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Labels of these clips, (R,); raises ``KeyError`` for a clip that is not in the test part."""
        order = np.argsort(self.keys)
        at = np.searchsorted(self.keys[order], keys)
        rows = order[np.minimum(at, len(order) - 1)]
        if not np.array_equal(self.keys[rows], keys):
            raise KeyError("a prediction is for a clip that is not in the test part")
        return self.labels[rows]


class EvaluationProtocol(ABC, Generic[ConfigT]):
    """A way to evaluate encoders: ``class MyProtocol(EvaluationProtocol[MyConfig])``, ``Config`` as for methods."""

    Config: ClassVar[type]
    """Dataclass of the options, a default for each."""
    version: ClassVar[int] = 1
    """Bump when numbers change."""
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Its own options in presets of whole runs: ``{"quick": {"epochs": 5}}``. What a preset's file says of it wins."""
    needs: ClassVar[frozenset[str]] = frozenset({"clip"})
    """Features that it uses (see ``Encoder.provides``); an encoder without them is refused before any work."""
    trains: ClassVar[Literal["nothing", "head", "all"]] = "nothing"
    """What it trains: nothing, a head on frozen features, or the encoders too."""
    trains_classifiers: ClassVar[bool] = False
    """Whether it trains the ``classifier`` of an encoder that brings one, head and loss, in place of a head of its
    own; it then needs nothing else of that encoder, and supervised references are judged by it."""
    gives_unlabelled: ClassVar[bool] = False
    """Whether it also gives such a classifier clips whose labels are withheld, as semi-supervised systems need."""
    primary: ClassVar[str] = "top1"
    """Name of the score for ranking; a share, higher is better."""
    least_score_from_labels: ClassVar[float | None] = 1.0
    """The least primary score of an encoder whose features are the labels; None if such features cannot score
    well."""
    reads_labels: ClassVar[bool] = True
    """Whether it learns classes from training labels; then two classes are needed, and none only in the test part."""
    cross_dataset: ClassVar[bool] = False
    """Whether it evaluates on other benchmarks than that of pretraining; it is refused on the same one."""
    check_config: ClassVar[Mapping[str, Any]] = {}
    """Options with which a contract check takes seconds and still learns features that show the class."""
    slow_check_config: ClassVar[Mapping[str, Any]] = {}
    """Options instead, beside a recipe's own, where the recipe is too slow to have learnt the class with these."""
    common: ClassVar[bool] = False
    """Whether its defaults are a recipe under which encoders of all methods are compared, beside each method's own."""
    untrimmed: ClassVar[bool] = False
    """Whether its parts hold whole recordings with annotated actions instead of the clips cut from them."""

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    @property
    def level(self) -> str:
        """Name of the level to use (see ``Encoder.levels``); empty for the clip feature. By default the ``level`` of
        ``Config``, if there is one.
        """
        return str(getattr(self.config, "level", ""))

    @property
    def levels(self) -> tuple[str, ...]:
        """Names of all levels that are read, as in :attr:`level`. By default the ``levels`` of ``Config``, which the
        protocol takes from its encoders by itself, or else :attr:`level` alone.
        """
        return tuple(getattr(self.config, "levels", ())) or (self.level,)

    def passes(self, train: int, test: int) -> float:
        """Approximate number of clips through an encoder, for estimates; training passes count three times."""
        return train + test

    def check(self, parts: Parts) -> None:
        """Raise ``UsageError`` for what cannot work with these parts; called before anything is pretrained."""

    @abstractmethod
    def evaluate(self, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> Outcome:
        """Predictions for the test part. Where ``trains`` is not ``all``, weights stay as they were."""

    @abstractmethod
    def score(self, outcome: Outcome, truth: Truth) -> dict[str, float]:
        """Scores of an outcome (shares as 0 to 1), including ``primary``; a pure function."""
