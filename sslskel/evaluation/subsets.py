"""Which training clips keep their labels: a function of an explicit seed and the clips' keys alone.

So every process, method and machine sees the same subsets, and a smaller share of one draw is
part of a larger one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.dataset import Segments
from sslskel.api.noise import Noise
from sslskel.api.protocol import ClipSet
from sslskel.api.view import ViewSpec
from sslskel.errors import DataError
from sslskel.hashing import stable_id


class PartlyLabelled:
    """A training part of which the clips at these rows (n,) alone show their labels; a ``protocol.ClipSet``.

    The others have -1. Batches say which row of the part a clip is.
    """

    def __init__(self, clips: ClipSet, labelled: Tensor, rows: Tensor | None = None) -> None:
        self._clips, self._labelled = clips, labelled
        self._rows = torch.arange(len(clips)) if rows is None else rows
        shown = torch.isin(self._rows, labelled)
        self.spec, self.keys, self.lengths = clips.spec, clips.keys, clips.lengths
        self.segments: Segments | None = None
        self.labels = torch.where(shown, clips.labels, -1)

    def __len__(self) -> int:
        return len(self.keys)

    def batches(self, view: ViewSpec, noise: Noise, size: int) -> Iterator[Batch]:
        """Every clip once, in order, ``size`` clips at a time (the last batch may be smaller)."""
        begin = 0
        for batch in self._clips.batches(view, noise, size):
            own = slice(begin, begin + batch.num_clips)
            yield batch._replace(label=self.labels[own].to(batch.label.device)).placed(
                self._rows[own].to(batch.position.device)
            )
            begin += batch.num_clips

    def subset(self, rows: Tensor) -> PartlyLabelled:
        """The clips at these positions, in this order."""
        return PartlyLabelled(self._clips.subset(rows), self._labelled, self._rows[rows])


def draw_subsets(
    clips: ClipSet, classes: Sequence[str], fraction: float, balanced: bool, seed: int, draws: int
) -> list[Tensor]:
    """Per draw, the positions of the clips that keep their labels, ascending.

    Balanced: of n clips of a class, ``fraction * n`` rounded, halves up (AimCLR). Plain: the
    first ``int(fraction * N)`` of a shuffle of all N (MAMP, CMD). ``clips`` all have labels.
    Raises ``DataError`` where a class of the training part would be left without a clip,
    naming it and the smallest fraction that works for these draws.
    """
    orders = [shuffled("semi", clips.keys, seed, draw) for draw in range(draws)]
    subsets = [chosen_places(clips.labels[order], fraction, balanced) for order in orders]
    for order, chosen in zip(orders, subsets, strict=True):
        missing = set(clips.labels.tolist()) - set(clips.labels[order[chosen]].tolist())
        if missing:
            smallest = _smallest([clips.labels[order] for order in orders], balanced)
            raise DataError(
                f"protocol.fraction={fraction:g} of {len(clips)} training clips leaves class"
                f" '{classes[min(missing)]}' without a labelled clip; the smallest fraction that works here is"
                f" {_rounded_up(smallest)}"
            )
    return [order[chosen].sort().values for order, chosen in zip(orders, subsets, strict=True)]


def subsets_digest(keys: Tensor, subsets: Sequence[Tensor]) -> str:
    """sha256 over the keys of all subsets, draw by draw: equal where the same clips had labels."""
    total = hashlib.sha256()
    for rows in subsets:
        total.update(keys[rows].sort().values.numpy().tobytes() + b"|")
    return total.hexdigest()


def shuffled(site: str, keys: Tensor, seed: int, draw: int) -> Tensor:
    """Positions of clips in a shuffle that does not depend on the order in which they are stored: (n,)."""
    shuffle = Noise(stable_id(site, str(seed)), draw).permutation("subset", len(keys), per="batch")
    return keys.argsort()[shuffle]


def chosen_places(labels: Tensor, fraction: float, balanced: bool) -> Tensor:
    """Places in a shuffle, whose labels are given, that are chosen."""
    if not balanced:
        return torch.arange(int(fraction * len(labels)))
    places = []
    for label in torch.unique(labels):
        own = (labels == label).nonzero()[:, 0]
        places.append(own[: math.floor(fraction * len(own) + 0.5)])
    return torch.cat(places)


def first_of_classes(labels: Tensor, fraction: float, classes: int) -> Tensor:
    """The first ``int(fraction * N / classes)`` clips of each class, at least one, in the order in which they stand.

    (N,) labels -> positions, ascending (AS-CAL).
    """
    most = max(int(fraction * len(labels) / classes), 1)
    own = [(labels == label).nonzero()[:most, 0] for label in torch.unique(labels)]
    return torch.cat(own).sort().values


def _smallest(shuffles: Sequence[Tensor], balanced: bool) -> float:
    """The smallest fraction that leaves every class a clip in every draw."""
    if balanced:
        counts = torch.bincount(shuffles[0])
        return 0.5 / int(counts[counts > 0].min())
    last = max(int((labels == label).nonzero()[0, 0]) for labels in shuffles for label in torch.unique(labels))
    return (last + 1) / len(shuffles[0])


def _rounded_up(fraction: float) -> float:
    """To four digits, so that what is printed works."""
    return min(math.ceil(fraction * 1e4 + 1e-9) / 1e4, 1.0)
