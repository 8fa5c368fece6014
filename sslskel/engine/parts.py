"""The clips of a step that one process sees, in the views that the method asks for, cut into parts."""

from __future__ import annotations

from sslskel.api.distributed import rank, world_size
from sslskel.api.method import PretextMethod
from sslskel.api.noise import Noise
from sslskel.data.step_views import step_views
from sslskel.engine.disguise import Disguised
from sslskel.engine.gradients import Part
from sslskel.engine.sampler import EpochSampler


def clips_everywhere(method: PretextMethod, sampler: EpochSampler, accumulate: int, step: int) -> tuple[int, ...]:
    """How many clips each process sees in its only part of the step; empty where it has several parts."""
    if accumulate > 1:
        return ()
    least = 0 if method.negatives_per_part else 1
    return tuple(max(least, len(sampler.share(step, at, world_size()))) for at in range(world_size()))


def step_parts(
    method: PretextMethod, source: Disguised, sampler: EpochSampler, accumulate: int, step: int, noise: Noise
) -> list[Part]:
    """This process's clips of the step, cut into at most ``accumulate`` parts.

    Where the batch has fewer clips than there are processes, some stand in with a clip that
    counts nothing: gradients are exchanged by all or none.
    """
    rows, own = map(source.positions, (sampler.batch(step), sampler.share(step, rank(), world_size())))
    views = method.views()
    if method.negatives_per_part:
        # Cut before it is dealt out, so that a part holds the same clips on any number of processes.
        mine = [part.tensor_split(world_size())[rank()] for part in rows.tensor_split(accumulate)]
        return [Part(step_views(source, piece, views, noise), len(piece) / len(rows)) for piece in mine]
    live = len(own) > 0
    own = own if live else rows[:1]
    pieces = own.tensor_split(min(accumulate, len(own)))
    return [Part(step_views(source, piece, views, noise), len(piece) / len(rows) if live else 0.0) for piece in pieces]
