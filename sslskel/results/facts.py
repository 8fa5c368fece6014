"""The shapes of a record's parts, for type checkers; what each value may be is checked by ``schema``."""

from __future__ import annotations

from typing import TypedDict

PROBE = "probe/"
"""Begins the names of a probe's scores in the metrics file of a training."""


class MethodPart(TypedDict):
    """The method that made the encoder."""

    name: str
    """As asked for: a plugin or a preset of one."""
    plugin: str
    version: int
    origin: str


class MethodFacts(MethodPart, total=False):
    """With what stands in records of some methods alone."""

    described: bool
    """True where no code was released, and the method is written after the description alone."""


class StageFacts(TypedDict):
    """An earlier stage of the pretraining that an encoder comes from."""

    method: str
    version: int
    identity: str
    """Hex id of the pretraining."""
    options: str
    """Digest of all that made it but the seed."""
    taken: str
    """Which part of its weights the next stage took."""


class BackboneFacts(TypedDict):
    """The encoder's network; its name is ``none`` where the method built no backbone."""

    name: str
    version: int
    parameters: int


class ProtocolFacts(TypedDict):
    """How the encoder was judged."""

    name: str
    version: int
    recipe: str
    selection: str


class BenchmarkFacts(TypedDict):
    """What the encoder was judged on."""

    name: str
    version: int
    split: str
    fingerprint: str
    """Of the data."""
    warning: str
    """Of the split."""


class SeenPart(TypedDict):
    """Data that weights have seen in pretraining."""

    dataset: str
    fingerprint: str
    split: str
    part: str
    clips: int


class SeenFacts(SeenPart, total=False):
    """Where the list of clips is known, a checkpoint holds ids of them, and a record what these showed."""

    recordings: str
    """Ids of the recordings, packed as text."""
    frames: str
    """Ids of the clips' frames, packed as text."""
    movements: str
    """Ids of the clips' movements, packed as text; absent in early checkpoints."""
    overlap: int
    """How many clips of the test part were among them."""
    sha256: str
    """Of the list of recordings."""


class OriginPart(TypedDict):
    """A file or checkpoint that a method read besides its clips."""

    kind: str
    """``file`` or ``checkpoint``."""
    name: str
    """Of the file, or of the run that the checkpoint is of."""
    sha256: str
    """Of the file, or of the checkpoint's weights."""


class OriginFacts(OriginPart, total=False):
    """Where more is known of it."""

    option: str
    """The method's option that names it."""
    identity: str
    """Hex id of the pretraining that a checkpoint is of."""
    saw: list[str]
    """``DATASET/SPLIT`` of all that it was trained on; absent where it is unknown."""
    declared: bool
    """True where its owner says what it saw, which nothing proves."""
    through: str
    """Name of the checkpoint that brought it, where the method did not read it itself."""


class PredictionFacts(TypedDict):
    """Where the predictions lie."""

    file: str
    """Below the results folder."""
    sha256: str
