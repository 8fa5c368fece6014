"""Features of clips in two dimensions, from the files that ``sslskel embed`` writes.

UMAP (McInnes et al., 2018) where ``sslskel[maps]`` is installed, else the first two principal components. Both give
the same map for the same file; nothing is learnt from labels.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sslskel.errors import UsageError
from sslskel.files import read_regular
from sslskel.leaderboard.model import FeatureMap
from sslskel.results.arrays import npz_arrays
from sslskel.results.record import Record

Floats = npt.NDArray[np.float64]
MOST_POINTS = 1000
"""Clips of a map; of more, evenly spaced ones."""
SIDE = 1000
NEEDED, ENCODER = ("features", "labels", "parts"), "encoder"
MAKE = "make it with `sslskel embed --checkpoint DIR --output FILE`"


def feature_map(path: Path) -> FeatureMap:
    """The map of the test clips in a file of :func:`sslskel.embed`, or of all where none is a test clip.

    Raises ``UsageError`` for a file that holds no features (n, D) of three or more clips with labels and parts (n,).
    """
    arrays = _arrays(path)
    features, labels, parts = (arrays[name] for name in NEEDED)
    whole = features.ndim == 2 and labels.shape == parts.shape == features.shape[:1] and features.shape[1] > 0
    if not whole or features.dtype.kind != "f" or labels.dtype.kind not in "iu":
        raise UsageError(f"{path} holds no features (n, D) with a label and a part for each clip; {MAKE}")
    test = parts == "test"
    chosen = np.flatnonzero(test if test.sum() >= 3 else np.ones(len(parts), bool))
    if len(chosen) < 3 or not np.isfinite(features[chosen]).all():
        raise UsageError(f"{path} holds {len(chosen)} clips; a map needs three or more whose features are finite")
    chosen = chosen[np.linspace(0, len(chosen) - 1, min(len(chosen), MOST_POINTS)).astype(np.int64)]
    places, way = _placed(features[chosen].astype(np.float64))
    span = float((places.max(0) - places.min(0)).max()) or 1.0
    scaled = np.rint(SIDE * (places - places.min(0)) / span).astype(np.int64)
    points = tuple((int(x), int(y), int(label)) for (x, y), label in zip(scaled, labels[chosen], strict=True))
    names = arrays.get(ENCODER, np.array([], str))
    known = frozenset(names.ravel().tolist() if names.dtype.kind == "U" and names.size <= 2 else ()) - {""}
    silent = "" if known else " Its file does not say which encoder made it."
    return FeatureMap(path.stem, f"{len(points):,} clips. {way}{silent}", points, known)


def require_encoders_of(maps: Iterable[FeatureMap], records: Iterable[Record]) -> None:
    """Raise ``UsageError`` for features of an encoder that none of these records was made with.

    What a file does not say is not known, and its map says so.
    """
    known = {name for record in records for name in (record.pretrain_identity, record.weights_sha256)}
    for one in maps:
        if one.encoder and not one.encoder & known:
            names = " and ".join(sorted(name[:12] for name in one.encoder))
            raise UsageError(
                f"the features {one.title} are of an encoder ({names}) that no record of this board was made with;"
                f" give --results the folder of that encoder, or {MAKE} for one of this board"
            )


def _arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        arrays = _parquet(path) if path.suffix == ".parquet" else npz_arrays(read_regular(path, None))
    except (OSError, ValueError) as fault:
        raise UsageError(f"features could not be read from {path}: {fault}; {MAKE}") from fault
    missing = [name for name in NEEDED if name not in arrays]
    if missing:
        raise UsageError(f"{path} lacks {', '.join(missing)}; {MAKE}")
    return arrays


def _parquet(path: Path) -> dict[str, npt.NDArray[Any]]:
    if find_spec("pyarrow") is None:
        raise UsageError(f"{path} needs a package that is not installed: `pip install 'sslskel[parquet]'`")
    table = importlib.import_module("pyarrow.parquet").read_table(path)
    columns = {name: table.column(name) for name in NEEDED if name in table.column_names}
    names = (table.schema.metadata or {}).get(ENCODER.encode(), b"").decode("utf-8", errors="replace").split()
    return {name: np.array(column.to_pylist()) for name, column in columns.items()} | {ENCODER: np.array(names, str)}


def _placed(features: Floats) -> tuple[Floats, str]:
    """(n, 2), and how they came there, in a sentence."""
    if find_spec("umap") is not None and len(features) > 15:
        umap = importlib.import_module("umap")
        return np.asarray(umap.UMAP(random_state=0, n_jobs=1).fit_transform(features), np.float64), "Placed by UMAP."
    centred = features - features.mean(0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    places = np.zeros((len(features), 2))
    places[:, : min(2, len(sizes))] = left[:, :2] * sizes[:2]
    # A direction has no sign of its own; the farthest point is always on the positive side.
    places *= np.where(places[np.abs(places).argmax(0), [0, 1]] < 0, -1.0, 1.0)
    total = float((sizes**2).sum()) or 1.0
    shares = [f"{100 * float(size**2) / total:.0f} %" for size in sizes[:2]]
    return places, f"Placed by their two principal components ({' and '.join(shares)} of the variance)."
