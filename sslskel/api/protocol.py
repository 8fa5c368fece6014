"""The interface of an evaluation protocol: encoders and parts in, rows of predictions out.

A protocol never sees a test label and never picks its own epoch: it returns
predictions, and the harness alone scores them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sized
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
    """Some clips of a prepared dataset, ready to be drawn in whole batches."""

    spec: ClipSpec
    """Body, coordinates and unit in which they are read."""
    keys: Tensor
    """(n,) int64 stable ids."""
    labels: Tensor
    """(n,) int64; all -1 where labels are withheld (the test part)."""
    lengths: Tensor
    """(n,) int64 raw frames: what a protocol needs to lay windows over a clip."""
    segments: Segments | None
    """Annotated actions of a set of recordings, ``owner`` being the place in it; None where withheld (the
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
    """Labels withheld."""
    classes: tuple[str, ...]


class FeatureStore(Protocol):
    """Where features of frozen encoders are kept for the next protocol that asks for the same ones."""

    def table(self, words: Mapping[str, Any], make: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """The (n, D) table that ``words`` name, read, or made and kept."""
        ...

    def counted(self, make: Callable[[], Rows]) -> Rows:
        """Make a table that is not kept, such as one of augmented views, and note what it cost."""
        ...


@dataclass(frozen=True)
class ProtocolRun:
    """What a protocol may know of the run it is part of."""

    seed: int
    device: torch.device
    dtype: torch.dtype
    autocast: Callable[[], AbstractContextManager[Any]]
    """Enter it around encoder passes: mixed precision where the run asked for it."""
    reporter: Reporter
    """Receives progress."""
    fresh: Callable[[], Mapping[str, Encoder]] | None = None
    """Builds the encoders again, on the run's device, with weights that were never trained and are a function
    of the run's seed; None where they cannot be built again."""
    features: FeatureStore | None = None
    """Where features of a view without chance are kept for the next protocol; None keeps nothing."""


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
    """(E, R) class predicted for each row after each epoch: from it the harness alone computes the best
    test epoch, for comparison with published code. None where a protocol has no epochs or was not asked."""
    kept: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    """Other arrays to keep beside the record, such as which training clips had labels."""
    info: Mapping[str, Any] = field(default_factory=dict)
    """What the record must say: ``epoch`` reported, ``labels`` used, ``selection`` and the like. JSON.
    ``classes`` lists the numbers of the classes that are scored where these are not all."""
    item: npt.NDArray[np.int64] | None = None
    """(R,) which window or found segment of the clip; any number of rows per clip, none included.
    None means exactly one row per clip in every condition, draw and epoch."""


class Truth(NamedTuple):
    """What scoring needs and protocols do not get: labels of the test clips."""

    keys: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    clips: ClipSet | None = None
    """The test clips themselves, for protocols that predict frames and not classes."""
    segments: Segments | None = None
    """Annotated actions where the protocol judges recordings; ``owner`` is the place among ``keys``."""

    def of(self, keys: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Labels of these clips, (R,); raises ``KeyError`` for a clip that is not in the test part."""
        order = np.argsort(self.keys)
        at = np.searchsorted(self.keys[order], keys)
        rows = order[np.minimum(at, len(order) - 1)]
        if not np.array_equal(self.keys[rows], keys):
            raise KeyError("a prediction is for a clip that is not in the test part")
        return self.labels[rows]


class EvaluationProtocol(ABC, Generic[ConfigT]):
    """One way to judge encoders: ``class MyProtocol(EvaluationProtocol[MyConfig])``, ``Config`` as for methods."""

    Config: ClassVar[type]
    """Dataclass of the options, a default for each."""
    version: ClassVar[int] = 1
    """Bump when numbers change."""
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Its own options in presets of whole runs: ``{"quick": {"epochs": 5}}``. What a preset's file says of it wins."""
    needs: ClassVar[frozenset[str]] = frozenset({"clip"})
    """What of an encoder it uses (see ``Encoder.provides``); one that lacks it is refused before any work."""
    trains: ClassVar[Literal["nothing", "head", "all"]] = "nothing"
    """What of a network it trains: nothing, a head on frozen features, or the encoders too."""
    primary: ClassVar[str] = "top1"
    """Name of the score that ranks; a share, the higher the better."""
    least_score_from_labels: ClassVar[float | None] = 1.0
    """The least primary score of an encoder whose features are the labels; None where features that
    say no more than the class cannot do well."""
    reads_labels: ClassVar[bool] = True
    """Whether it learns classes from training labels; then there must be two, and none only in the test part."""
    cross_dataset: ClassVar[bool] = False
    """It judges encoders on other benchmarks than they were pretrained on, and is refused on the same one."""
    check_config: ClassVar[Mapping[str, Any]] = {}
    """Options with which a contract check takes seconds and still learns a feature that tells the class."""
    untrimmed: ClassVar[bool] = False
    """Whether its parts hold whole recordings with annotated actions instead of the clips cut from them."""

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    @property
    def level(self) -> str:
        """Name of the level that stands for the encoders' features (see ``Encoder.levels``); empty for these.

        It is the ``level`` of ``Config``, where there is one.
        """
        return str(getattr(self.config, "level", ""))

    def passes(self, train: int, test: int) -> float:
        """About how many clips go through an encoder, for estimates; one that is trained on counts three times."""
        return train + test

    def check(self, parts: Parts) -> None:
        """Raise ``UsageError`` for what cannot work with these parts; asked before anything is pretrained."""

    @abstractmethod
    def evaluate(self, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> Outcome:
        """Predictions for the test part. Where ``trains`` is not ``all``, weights stay as they were."""

    @abstractmethod
    def score(self, outcome: Outcome, truth: Truth) -> dict[str, float]:
        """Pure: the numbers of an outcome (shares as 0 to 1), ``primary`` among them."""
