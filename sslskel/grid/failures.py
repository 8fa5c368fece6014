"""What becomes of an error that nobody foresaw, in the middle of a cell: a sentence, a note and a traceback.

The other cells of the grid go on. Of several processes that train one model the others wait inside a collective for
the one that failed, so there the whole run ends.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

import torch

from sslskel.api.distributed import world_size
from sslskel.data.prepare import reader_of
from sslskel.encoders.meta import CheckpointMeta
from sslskel.engine.checkpoint import OtherRun, UnknownCheckpoint
from sslskel.engine.elastic import CONTACT
from sslskel.engine.provenance import command_line
from sslskel.errors import DataError, Interrupted, PluginError, RunError, SslskelError, UsageError
from sslskel.grid.cell import Cell
from sslskel.plugins.own_code import Code, depth_of, line_of, of_own_code, reason_of
from sslskel.plugins.registry import BACKBONES, BENCHMARKS, METHODS, PROTOCOLS
from sslskel.results.failures import FailedCell, failure_in
from sslskel.results.store import ResultStore
from sslskel.text import plain

NO_MEMORY = ("can't allocate memory", "Storage size calculation overflowed")
"""What torch says of a tensor too large for the machine, or for any."""

Part = tuple[str, Code]
"""How a plugin is named in sentences, and what its code is known by."""


class Unforeseen(RunError):
    """What a plugin, or torch below it, raised in the middle of a cell; the error itself is its cause."""


class OutOfStep(Unforeseen):
    """The same in one of several processes, of which the others know nothing."""


def ends_grid(fault: SslskelError) -> bool:
    """Whether an error is of the whole command, and not of one cell: an interruption, lost processes, wrong use."""
    if isinstance(fault, Interrupted) or CONTACT in str(fault):
        return True
    return isinstance(fault, UsageError) and not isinstance(
        fault, (DataError, PluginError, UnknownCheckpoint, OtherRun)
    )


@contextmanager
def in_a_sentence(parts: Iterable[Part], *, alone: bool = False) -> Iterator[None]:
    """Raise :class:`Unforeseen` for any error that is not the framework's own.

    ``parts`` are the plugins at work. ``alone`` says that no other process waits for this one: else it is
    :class:`OutOfStep` where there are several.
    """
    try:
        yield
    except (SslskelError, BrokenPipeError):
        raise
    except (Exception, SystemExit) as fault:
        kind = Unforeseen if alone or world_size() == 1 else OutOfStep
        raise kind(_sentence(fault, list(parts))) from fault


def parts_of(cell: Cell) -> list[Part]:
    """The plugins at work in a cell, its earlier stages included."""
    parts: list[Part] = [(f"method '{stage.method}'", METHODS.get(stage.method)) for stage in cell.stages]
    parts.append((f"backbone '{cell.backbone}'", BACKBONES.get(cell.backbone)))
    if cell.protocol is not None:
        parts.append((f"protocol '{cell.protocol}'", PROTOCOLS.get(cell.protocol)))
    places = dict.fromkeys((cell.benchmark, cell.judged_on[0]))
    return [*parts, *((f"benchmark '{name}'", reader_of(BENCHMARKS.get(name))) for name in places)]


def parts_of_encoder(meta: CheckpointMeta, protocol: str) -> list[Part]:
    """The plugins at work where an encoder is judged; one that is not known here had no part in it."""
    plugins = (METHODS, meta.method.plugin), (BACKBONES, meta.backbone.name), (PROTOCOLS, protocol)
    return [(f"{one.kind} '{name}'", one.get(name)) for one, name in plugins if name in one.names()]


def named(cell: Cell) -> FailedCell:
    """The cell as notes of its failures name it."""
    return FailedCell(cell.title, "/".join(cell.judged_on), cell.protocol or "", cell.method)


def keep(store: ResultStore, identity: str, fault: SslskelError, cell: FailedCell) -> str:
    """Note why a cell failed; returns it in words, with the place of the traceback where there is one.

    Memory that the error held is free then.
    """
    trace = isinstance(fault, (Unforeseen, PluginError)) and fault.__cause__ is not None
    words = str(fault)
    # Where the disk takes no note of it either, the fault itself is what people must read.
    with suppress(RunError):
        kept = failure_in(store.fail(identity, fault, command_line(), cell, trace=trace))
        words = kept.words(store.folder) if kept else words
    if trace:
        release(fault)
    return words


def release(fault: BaseException) -> None:
    """Let go of what the calls that led to an error were working on, such as tensors on a full GPU."""
    one: BaseException | None = fault
    while one is not None:
        traceback.clear_frames(one.__traceback__)
        one = one.__cause__ or one.__context__
    torch.cuda.empty_cache()


def out_of_memory(fault: BaseException) -> bool:
    """Whether an error says that a device or the machine has too little memory."""
    texts = str(fault)
    return isinstance(fault, (MemoryError, torch.cuda.OutOfMemoryError)) or any(text in texts for text in NO_MEMORY)


def _sentence(fault: BaseException, parts: list[Part]) -> str:
    deepest = max(parts, key=lambda part: depth_of(fault, part[1]), default=None)
    own = deepest if deepest is not None and depth_of(fault, deepest[1]) >= 0 else None
    if out_of_memory(fault):
        who, where = ("it", _place(fault)) if own is None else (own[0], line_of(fault, own[1]))
        return (
            f"{who} needs more memory than there is, {where} ({_first_line(fault)}); make its batches smaller, or split"
            " those of training with train.accumulate, or take a smaller network"
        )
    if own is None:
        return f"it ended in an error that was not foreseen, {_place(fault)}: {reason_of(fault)}"
    return of_own_code(*own, fault)


def _first_line(fault: BaseException) -> str:
    return plain((str(fault).strip().splitlines() or [type(fault).__name__])[0])


def _place(fault: BaseException) -> str:
    frames = traceback.extract_tb(fault.__traceback__)
    return f"{plain(frames[-1].filename)}, line {frames[-1].lineno}" if frames else "at an unknown place"
