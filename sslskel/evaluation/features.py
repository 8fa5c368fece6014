"""Features of frozen encoders, one row per clip, for every protocol that trains at most a head.

No label is read here beyond whether it exists.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.api.protocol import ClipSet, ProtocolRun
from sslskel.api.view import ClipSpec, ViewSpec
from sslskel.encoders.level import at_level
from sslskel.errors import DataError, Diverged, RunError
from sslskel.evaluation.spread import Task, leader
from sslskel.progress import SILENT

View = Literal["train", "test"] | Callable[[ClipSpec], ViewSpec]
"""One of an encoder's views, or a function that makes another one."""


@contextmanager
def evaluating(encoders: Mapping[str, Encoder]) -> Iterator[None]:
    """Put every module of the encoders in eval mode; on exit each returns to its mode."""
    modes: dict[nn.Module, bool] = {m: m.training for encoder in encoders.values() for m in encoder.modules()}
    try:
        for encoder in encoders.values():
            encoder.eval()
        yield
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def dropping(encoders: Mapping[str, Encoder]) -> Iterator[None]:
    """Put the encoders in training mode, in which they drop values; on exit each module returns to its mode.

    Batch norms stay in eval mode: what they have counted belongs to the weights.
    """
    with evaluating(encoders):
        for encoder in encoders.values():
            encoder.train()
            for module in encoder.modules():
                if "running_mean" in dict(module.named_buffers(recurse=False)):
                    module.eval()
        yield


def feature_dtype(run: ProtocolRun) -> torch.dtype:
    """Type in which heads and neighbours are computed: float64 in float64 runs, else float32."""
    return torch.float64 if run.dtype == torch.float64 else torch.float32


def clip_features(
    encoders: Mapping[str, Encoder],
    clips: ClipSet,
    view: View,
    noise: Noise,
    size: int,
    run: ProtocolRun,
    progress: str = "",
) -> dict[str, Tensor]:
    """Per stream, the pooled features of all clips in order: (n, D) on the run's device.

    Streams that share a view see the same crops and augmentations. Features of the test view
    are taken from, and left in, the run's cache. Reports progress under the name ``progress``
    where one is given. Raises ``RunError`` where a feature
    is not finite or has another width than the encoder states, or where the clips do not
    come once each and in order.
    """
    features: dict[str, Tensor] = {}
    for spec, streams in _by_view(encoders, view):
        chosen = {stream: encoders[stream] for stream in streams}
        make = functools.partial(_encoded, chosen, clips, spec, noise, size, run, progress)
        names = _names_of(chosen, clips, spec, size) if view == "test" and run.features is not None else None
        widths = [encoder.dim for encoder in chosen.values()]
        table = _kept(make, names, run, (len(clips), sum(widths)))
        features |= zip(streams, torch.split(table, widths, 1), strict=True)
    return {stream: features[stream] for stream in encoders}


def _encoded(
    encoders: Mapping[str, Encoder],
    clips: ClipSet,
    spec: ViewSpec,
    noise: Noise,
    size: int,
    run: ProtocolRun,
    progress: str,
) -> Tensor:
    """Features of streams that share a view, side by side: (n, sum of D), by all processes that wait for it."""
    first = leader()
    task = None if first is None else first.task(encoders, clips, spec, noise, size)
    pace = run.reporter if progress else SILENT

    def tell(done: int, share: int) -> None:
        pace.step(progress, done * len(clips) // share, len(clips))

    def encode(some: ClipSet) -> Tensor:
        return _passed(encoders, some, spec, noise, size, run, tell)

    table = encode(clips) if first is None or task is None else first.encoded(task, clips, encode)
    for stream, part in zip(encoders, torch.split(table, [one.dim for one in encoders.values()], 1), strict=True):
        _check_finite(part, stream, clips)
    return table


def encoded_share(encoders: Mapping[str, Encoder], task: Task, clips: ClipSet, run: ProtocolRun) -> Tensor:
    """Features (n, sum of D) of clips that another process asks for."""
    chosen = at_level({stream: encoders[stream] for stream in task.streams}, task.level)
    with dropping(chosen) if task.drops else evaluating(chosen):
        return _passed(chosen, clips, task.view, task.noise, task.size, run, lambda *_: None)


def _passed(
    encoders: Mapping[str, Encoder],
    clips: ClipSet,
    spec: ViewSpec,
    noise: Noise,
    size: int,
    run: ProtocolRun,
    tell: Callable[[int, int], None],
) -> Tensor:
    """All clips through all encoders in this process, (n, sum of D); ``tell`` hears how many are done."""
    kind = feature_dtype(run)
    rows = {stream: [torch.zeros(0, one.dim, dtype=kind, device=run.device)] for stream, one in encoders.items()}
    keys, done = [clips.keys[:0].cpu()], 0
    for batch in clips.batches(spec, noise, size):
        keys.append(batch.key.cpu())
        for stream, encoder in encoders.items():
            if encoder.training:
                encoder.bind(batch, noise)
            with torch.no_grad(), run.autocast():
                features = encoder.clip(batch.unlabelled())
            _check_shape(features, encoder, stream, batch.num_clips)
            rows[stream].append(features.to(kind))
        done += batch.num_clips
        tell(done, len(clips))
    if not torch.equal(torch.cat(keys), clips.keys.cpu()):
        raise RunError(f"a part of {len(clips)} clips did not yield every clip once and in order")
    return torch.cat([torch.cat(tables) for tables in rows.values()], 1)


def _kept(
    make: Callable[[], Tensor], names: Mapping[str, object] | None, run: ProtocolRun, shape: tuple[int, int]
) -> Tensor:
    """What ``make`` gives, from the run's cache where it has one and the table has a name."""
    if run.features is None:
        return make()
    if names is None:
        return run.features.counted(make)
    kind = np.float64 if feature_dtype(run) == torch.float64 else np.float32

    def fits(table: npt.NDArray[Any]) -> bool:
        return table.shape == shape and table.dtype == kind and bool(np.isfinite(table).all())

    return torch.from_numpy(run.features.table(names, lambda: make().cpu().numpy(), fits)).to(run.device)


def _names_of(encoders: Mapping[str, Encoder], clips: ClipSet, spec: ViewSpec, size: int) -> dict[str, object] | None:
    """What features of a view without chance depend on beside the weights; None where that is not known.

    The size of a batch is part of it, because the last bits of a product depend on it.
    """
    any_spec = next(iter(encoders.values())).spec
    clip = (any_spec.frames, any_spec.persons, any_spec.coordinates, any_spec.fps, any_spec.unit)
    networks = {stream: [type(encoder).__qualname__, repr(encoder)] for stream, encoder in encoders.items()}
    names = {
        "clips": hashlib.sha256(clips.keys.cpu().numpy().tobytes()).hexdigest(),
        "view": repr(spec),
        "clip": repr(clip),
        "layout": any_spec.layout.to_json(),
        "encoders": networks,
        "batch": size,
    }
    # An object without a repr of its own shows its address, which says nothing of what it does.
    return None if " at 0x" in repr(names) else names


def labelled(clips: ClipSet, part: str) -> ClipSet:
    """The clips that have a label; raises ``DataError`` where none has."""
    rows = (clips.labels >= 0).nonzero()[:, 0]
    if len(rows) == 0:
        raise DataError(f"the {part} part has {len(clips)} clips and no label; this protocol needs labelled clips")
    return clips if len(rows) == len(clips) else clips.subset(rows)


def _by_view(encoders: Mapping[str, Encoder], view: View) -> list[tuple[ViewSpec, list[str]]]:
    groups: list[tuple[ViewSpec, list[str]]] = []
    for stream, encoder in encoders.items():
        own = {"train": encoder.spec.train_view, "test": encoder.spec.test_view}
        wanted = own[view] if isinstance(view, str) else view(encoder.spec)
        known = next((streams for spec, streams in groups if spec == wanted), None)
        if known is None:
            groups.append((wanted, [stream]))
        else:
            known.append(stream)
    return groups


def _check_shape(features: Tensor, encoder: Encoder, stream: str, clips: int) -> None:
    if features.shape != (clips, encoder.dim):
        raise RunError(
            f"the {stream} encoder gave features of shape {tuple(features.shape)} for {clips} clips;"
            f" its dim of {encoder.dim} promises {(clips, encoder.dim)}"
        )


def _check_finite(features: Tensor, stream: str, clips: ClipSet) -> None:
    bad = (~torch.isfinite(features)).any(1).nonzero()[:, 0]
    if len(bad):
        raise Diverged(
            f"the {stream} encoder gave a feature that is not finite for {len(bad)} of {len(clips)} clips,"
            f" the first with key {int(clips.keys[int(bad[0])])}; look at its weights and the precision"
        )
