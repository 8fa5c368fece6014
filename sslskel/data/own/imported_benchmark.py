"""An imported set as a benchmark: made from the files that lie with its prepared data.

How those files come about is in ``importing.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sslskel.api.benchmark import Benchmark, ImportReport
from sslskel.api.dataset import Clip
from sslskel.data.own.splitting import split_from
from sslskel.data.store.format import SPLITS
from sslskel.data.store.store import open_dataset
from sslskel.errors import DataError, UsageError
from sslskel.paths import BENCHMARK_FILE


def read_benchmark(folder: Path) -> Benchmark:
    """The benchmark of an imported set; raises ``DataError`` naming the damaged file."""
    name = folder.name
    hint = f"import it again with 'sslskel data import {name}', or remove the folder"
    dataset = open_dataset(folder, hint)
    words, splits = dataset.beside(BENCHMARK_FILE), dataset.beside(SPLITS)
    try:
        if dataset.info.name != name:
            raise ValueError(f"it was imported as '{dataset.info.name}'")
        return Benchmark(
            name=name,
            version=1,
            title=str(words["title"]),
            info=dataset.info,
            read=_imported,
            splits={split: split_from(split, data, name) for split, data in splits["splits"].items()},
            default_split=str(splits["default"]),
            citation=str(words["citation"]),
            licence=dataset.info.licence,
            preset=str(words["preset"]),
            recipe=_recipe(words["recipe"]),
            command=str(words["command"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise DataError(f"'{folder}' is not an imported dataset that this version reads ({fault}); {hint}") from fault


def _recipe(words: Mapping[str, Any]) -> dict[str, Any]:
    return {str(group): dict(options) for group, options in words.items()}


def _imported(sources: Sequence[Path], report: ImportReport) -> Iterator[Clip]:
    raise UsageError("an imported dataset is not prepared from sources; run 'sslskel data import' again")
