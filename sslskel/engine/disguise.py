"""Training clips as methods see them: under other keys and at other positions, so that neither tells the class.

Names of clips, and the order in which a dataset stores them, often do. Draws of noise stay those of the clip.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise, Seal
from sslskel.api.view import ViewSpec
from sslskel.data.loader import ClipSource, OuterView
from sslskel.data.mixture import Mixture
from sslskel.hashing import stable_id


class Disguised:
    """A source whose clips stand in another order; ``name``, that of the run, decides which."""

    def __init__(self, source: ClipSource | Mixture, name: str) -> None:
        self.seal = Seal(name)
        self._source = source
        self._row = Noise(stable_id("disguise", name)).permutation("positions", len(source), per="batch")
        self._position = self._row.argsort()

    def __len__(self) -> int:
        return len(self._row)

    def positions(self, rows: Tensor) -> Tensor:
        """(N,) rows of the source -> (N,) where these clips stand here."""
        return self._position[rows]

    def batch(self, positions: Tensor, view: ViewSpec, noise: Noise, outer: Sequence[OuterView] = ()) -> Batch:
        """One view of the clips at ``positions`` (N,), keys sealed; see ``ClipSource.batch``. Noise may be sealed."""
        around = [(other, its_noise.sealed(None)) for other, its_noise in outer]
        batch = self._source.batch(self._row[positions], view, noise.sealed(None), around)
        return batch._replace(key=self.seal.close(batch.key)).placed(positions)
