"""What several processes gain for one training, by timed steps of fewer clips: a step's fixed cost is not shared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sslskel.speed.glance import extrapolated

ENOUGH = 0.5
"""Share of the processes' work below which they are better used otherwise."""


def seconds_of(timed: Sequence[tuple[int, float]], clips: int) -> float:
    """Seconds of a step of so many clips, from timings of (clips, seconds), the most clips last."""
    if clips > timed[-1][0]:
        return extrapolated(timed, clips)
    counts, seconds = zip(*sorted(dict(timed).items()), strict=True)
    return float(np.interp(clips, counts, seconds))


def gain(timed: Sequence[tuple[int, float]], batch: int, processes: int) -> float:
    """How many times faster a step of ``batch`` clips is on so many devices like the one that was timed.

    The exchange of gradients is left out, so that it is at least as slow as this.
    """
    return seconds_of(timed, batch) / seconds_of(timed, -(-batch // processes))


def advice(timed: Sequence[tuple[int, float]], batch: int, processes: int) -> str:
    """A sentence on training in so many processes, each on a device of its own; empty for one."""
    if processes == 1:
        return ""
    share, faster = -(-batch // processes), gain(timed, batch, processes)
    sentence = (
        f"{batch} clips a step on {processes} processes are {share} for each: computed, a step is {faster:.1f} times"
        f" faster than on one device, exchange of gradients left out"
    )
    if faster >= ENOUGH * processes:
        return f"{sentence}."
    return (
        f"{sentence}, so that {1 - faster / processes:.0%} of the devices' time is lost. To use them, give each a cell"
        f" of its own (--jobs {processes} in place of --processes), or each as many clips as one has now"
        f" (train.batch_size={batch * processes}), which is another recipe: rate and epochs have to be chosen again."
    )
