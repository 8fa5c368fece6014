"""Batches of an evaluation, spread over the processes of a run: the first judges, and all encode.

The first process asks through the run's store, and every process encodes its consecutive part of the batches,
with weights of its own that it read from the same checkpoint. A process without a task waits for the next one
without a time limit, so that the first may train a head for hours; rows are gathered only when all have theirs.
"""

from __future__ import annotations

import base64
import itertools
import pickle
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sslskel.api.distributed import POLL_SECONDS, SharedStore, gather_rows, rank, shared_store, world_size
from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.api.protocol import ClipSet, Parts
from sslskel.api.view import ViewSpec
from sslskel.data.withheld import JudgedPart, LabelledPart
from sslskel.encoders.level import LevelEncoder
from sslskel.engine.heartbeat import contact
from sslskel.engine.signals import INTERRUPTED, interrupted
from sslskel.errors import Interrupted, RunError, SslskelError

END, DONE, FAILED, STOPPED = "end", "+", "!", "?"
"""The last two begin a sentence and an exit code, where another process than the first says them."""
_numbers = itertools.count()
"""Of messages, the same on every process."""
_leader: Leader | None = None


@dataclass(frozen=True)
class Task:
    """What is to be encoded: some clips of the training or the test part, in one view."""

    part: str
    at: npt.NDArray[np.int32] | None
    """(n,) positions in the part, or None for all of it."""
    streams: tuple[str, ...]
    view: ViewSpec
    noise: Noise
    size: int
    """Clips of a batch."""
    drops: bool
    """Whether the encoders are in training mode."""
    level: str
    """Of the encoders, or empty for their features."""

    def clips(self, parts: Parts) -> ClipSet:
        """Those of the task."""
        whole: ClipSet = getattr(parts, self.part)
        return whole if self.at is None else whole.subset(torch.from_numpy(self.at.astype(np.int64)))


class Prepared(NamedTuple):
    """What a process needs to do tasks."""

    parts: Parts
    encode: Callable[[Task, ClipSet], Tensor]
    """Features (n, D) of clips of a task, its streams side by side."""


def own_share(clips: ClipSet, size: int) -> ClipSet:
    """The clips of this process: consecutive whole batches, so that each is the batch that one process has."""
    batches = torch.arange(-(-len(clips) // size)).tensor_split(world_size())[rank()]
    if not len(batches):
        return clips.subset(torch.arange(0))
    return clips.subset(torch.arange(int(batches[0]) * size, min(len(clips), (int(batches[-1]) + 1) * size)))


class Leader:
    """The first process, as it asks the others."""

    def __init__(self) -> None:
        self._store = shared_store("encode")
        self._judged: Mapping[str, Encoder] = {}
        self._parts: Parts | None = None

    def judges(self, encoders: Mapping[str, Encoder], parts: Parts) -> None:
        """Tasks are of these encoders and parts from now on; the weights must stay as the checkpoint has them."""
        self._judged, self._parts = encoders, parts

    def task(
        self, encoders: Mapping[str, Encoder], clips: ClipSet, view: ViewSpec, noise: Noise, size: int
    ) -> Task | None:
        """What to ask for; None where the others have not these encoders and clips, or one batch is all there is."""
        level = self._level(encoders)
        place = None if len(clips) <= size or level is None else self._place(clips)
        if place is None or level is None:
            return None
        drops = any(encoder.training for encoder in encoders.values())
        return Task(*place, tuple(encoders), view, noise.at("cpu"), size, drops, level)

    def _level(self, encoders: Mapping[str, Encoder]) -> str | None:
        """The level of the judged encoders that these are, empty for themselves; None for others."""
        levels = set[str | None]()
        for stream, one in encoders.items():
            own = self._judged.get(stream)
            at_one = one.name if isinstance(one, LevelEncoder) and one.encoder is own else None
            levels.add("" if one is own else at_one)
        return levels.pop() if len(levels) == 1 else None

    def _place(self, clips: ClipSet) -> tuple[str, npt.NDArray[np.int32] | None] | None:
        name = {JudgedPart: "test", LabelledPart: "train"}.get(type(clips))
        if name is None or self._parts is None:
            return None
        whole, keys = getattr(self._parts, name).keys.cpu(), clips.keys.cpu()
        if torch.equal(whole, keys):
            return name, None
        ordered, order = whole.sort()
        at = order[torch.searchsorted(ordered, keys).clamp(max=len(whole) - 1)]
        return (name, at.numpy().astype(np.int32)) if torch.equal(whole[at], keys) else None

    def encoded(self, task: Task, clips: ClipSet, encode: Callable[[ClipSet], Tensor]) -> Tensor:
        """Features (n, D) of all clips, in order, of which every process encodes its share.

        This one encodes all of them where the view holds a function that cannot be pickled for the others.
        Raises what ``encode`` raises, ``RunError`` where another process failed, and ``Interrupted`` where one was
        asked to stop.
        """
        message = _message(task)
        if message is None:
            return encode(clips)
        number, verdict = next(_numbers), FAILED
        self._store.set(str(number), message)
        try:
            own = encode(own_share(clips, task.size))
            _require_done([_waited(self._store, f"{number}/{other}") for other in range(1, world_size())])
            verdict = DONE
        finally:
            # Whatever ends it here, the others must not wait for more.
            self._store.set(f"{number}/go", verdict)
        with contact():
            return gather_rows(own)

    def end(self) -> None:
        """The others need not wait for more."""
        self._store.set(str(next(_numbers)), END)


def leader() -> Leader | None:
    """What spreads batches in this process; None where nobody waits for tasks."""
    return _leader


@contextmanager
def leading() -> Iterator[None]:
    """Within, the first process spreads what it encodes; every other one is in :func:`follow`, or will be."""
    global _leader
    if world_size() == 1:
        yield
        return
    _leader = Leader()
    try:
        yield
    finally:
        ending, _leader = _leader, None
        ending.end()


def follow(prepare: Callable[[], Prepared]) -> None:
    """Do the tasks of the first process until it ends; ``prepare`` is called for the first task.

    What goes wrong here is said by the first process, whose cell it ends. Raises ``Interrupted`` where this process is
    asked to stop, as the first one does then.
    """
    store, ready = shared_store("encode"), None
    while True:
        number = next(_numbers)
        try:
            message = _waited(store, str(number))
            if message == END:
                return
            table, fault = None, ""
            try:
                ready = prepare() if ready is None else ready
                # Written by a process of this very run, over the store that torch's launcher made for it.
                task: Task = pickle.loads(base64.b64decode(message))
                table = ready.encode(task, own_share(task.clips(ready.parts), task.size))
            except Interrupted:
                raise
            except SslskelError as error:
                fault = f"could not encode: {error}"
            except Exception as error:  # of a plugin, or a full GPU
                fault = f"could not encode ({type(error).__name__}: {error})"
            store.set(f"{number}/{rank()}", f"{FAILED}{fault}" if fault else DONE)
            going = _waited(store, f"{number}/go") == DONE
        except (Interrupted, KeyboardInterrupt) as stop:
            code = stop.exit_code if isinstance(stop, Interrupted) else INTERRUPTED
            store.set(f"{number}/{rank()}", f"{STOPPED}{code}")
            raise
        if going and table is not None:
            with contact():
                gather_rows(table)


def _message(task: Task) -> str | None:
    """A task for the store; None where a view of it cannot be written."""
    try:
        return base64.b64encode(pickle.dumps(task)).decode()
    except Interrupted:
        raise
    except Exception:  # of whatever a plugin's view holds
        return None


def _require_done(replies: Sequence[str]) -> None:
    """Raise for what the other processes say, from the second on, unless all are done."""
    for at, reply in enumerate(replies, 1):
        if reply.startswith(STOPPED):
            raise interrupted(int(reply[1:]), f"process {at} was the first to hear of it")
    failed = [f"process {at} {reply[1:]}" for at, reply in enumerate(replies, 1) if reply != DONE]
    if failed:
        raise RunError(f"{'; '.join(failed)}; of several processes each encodes a share of the clips")


def _waited(store: SharedStore, key: str) -> str:
    """The value of a key, as soon as there is one."""
    while not store.check([key]):
        time.sleep(POLL_SECONDS)
    return store.get(key).decode()
