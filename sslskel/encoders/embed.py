"""Features of every clip of a benchmark, for people who only want features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import torch

from sslskel.api.dataset import DatasetInfo, Floats
from sslskel.api.distributed import is_first
from sslskel.api.noise import Noise
from sslskel.api.view import ClipSpec
from sslskel.config.compose import from_plain
from sslskel.config.groups import EngineConfig
from sslskel.data.loader import ClipSource
from sslskel.data.prepare import open_benchmark
from sslskel.encoders.adapt import reading_of
from sslskel.encoders.joint_map import joints_in_words
from sslskel.encoders.open import open_encoders
from sslskel.engine.device import arithmetic, autocast, check_precision, dtype_of, own_defaults, resolve_device
from sslskel.errors import UsageError
from sslskel.files import output_file, require_output
from sslskel.plugins.registry import BENCHMARKS
from sslskel.progress import SILENT, Reporter

BATCH = 64


@own_defaults()
def embed(
    checkpoint: Path | str,
    output: Path | str,
    *,
    benchmark: str | None = None,
    split: str | None = None,
    num_heads: int = 8,
    overrides: Sequence[str] = (),
    reporter: Reporter = SILENT,
) -> tuple[int, int]:
    """Write ``features`` (n, D) float32 and ``names``, ``keys``, ``labels``, ``subjects``, ``parts``; in ``encoder``
    the identity of the pretraining, empty where there is none, and the sha256 of the weights.

    A file called ``.parquet`` is a table of these columns, a row a clip; one called ``.npz``, or without an ending,
    holds arrays; a table says ``encoder`` in its metadata. Each clip is seen once in the test view; streams are
    concatenated in order. Clips that the split leaves out have the part ``none``. ``overrides`` are of the
    ``engine`` group. The file appears whole or not at all; of several processes the first writes it. Returns n and
    D. Raises ``UsageError`` for another ending, a file that cannot be written, or a ``.parquet`` where pyarrow is
    not installed.
    """
    target = Path(output)
    require_output(target)
    if target.suffix not in ("", ".npz", ".parquet"):
        raise UsageError(f"{target} ends in '{target.suffix}'; features are written to .npz or .parquet")
    write = _parquet if target.suffix == ".parquet" else _npz
    if write is _parquet and find_spec("pyarrow") is None:
        raise UsageError(f"{target} needs a package that is not installed: `pip install 'sslskel[parquet]'`")
    opened = open_encoders(checkpoint, num_heads=num_heads)
    name = benchmark or opened.meta.benchmark.name
    if not name:
        raise UsageError("a released file does not say what it was pretrained on; name a benchmark with --benchmark")
    chosen = BENCHMARKS.get(name)
    dataset, rule = open_benchmark(chosen), chosen.split(split)
    engine = _engine(overrides)
    dataset.verify()
    device = resolve_device(engine.device)
    check_precision(device, engine.precision)
    parts = np.full(len(dataset), "none", dtype="U10")
    for part in ("train", "test"):
        parts[rule.part(dataset, part)] = part
    features = []
    with torch.no_grad(), arithmetic(engine), autocast(device, engine.precision):
        _tell_joints([encoder.spec for encoder in opened.encoders.values()], dataset.info, reporter)
        for encoder in opened.encoders.values():
            encoder.to(device=device, dtype=dtype_of(engine)).eval()
            joints, every = reading_of(encoder.spec, dataset.info).read, np.arange(len(dataset))
            source = ClipSource(dataset, every, encoder.spec, device=device, dtype=dtype_of(engine), joints=joints)
            batches = source.batches(encoder.spec.test_view, Noise(0, device=device), BATCH)
            features.append(torch.cat([encoder.clip(batch).float().cpu() for batch in batches]))
    table = torch.cat(features, 1).numpy()
    if not is_first():
        return table.shape[0], table.shape[1]
    with output_file(target, error=UsageError) as file:
        columns = {
            "names": dataset.names,
            "keys": dataset.keys,
            "labels": dataset.labels,
            "subjects": dataset.subjects,
            "parts": parts,
        }
        write(file, table, columns, (opened.meta.identity, opened.weights_sha256))
    return table.shape[0], table.shape[1]


def _tell_joints(specs: Sequence[ClipSpec], info: DatasetInfo, reporter: Reporter) -> None:
    """Say once, whatever the number of streams, where joints are matched."""
    matched = (spec.layout for spec in specs if reading_of(spec, info).read is not None)
    for line in dict.fromkeys(joints_in_words(layout, info.layout) for layout in matched):
        if is_first():
            reporter.line(line)


def _npz(file: BinaryIO, features: Floats, columns: Mapping[str, npt.NDArray[Any]], encoder: tuple[str, str]) -> None:
    arrays: dict[str, Any] = {"features": features, **columns, "encoder": np.array(encoder)}
    np.savez_compressed(file, **arrays)


def _parquet(
    file: BinaryIO, features: Floats, columns: Mapping[str, npt.NDArray[Any]], encoder: tuple[str, str]
) -> None:
    import pyarrow
    from pyarrow import parquet

    rows = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(features.ravel()), features.shape[1])
    table = pyarrow.table({"features": rows, **{name: pyarrow.array(column) for name, column in columns.items()}})
    parquet.write_table(table.replace_schema_metadata({"encoder": " ".join(encoder)}), file)


def _engine(overrides: Sequence[str]) -> EngineConfig:
    pairs = dict(override.split("=", 1) for override in overrides)
    wrong = [key for key in pairs if not key.startswith("engine.")]
    if wrong:
        raise UsageError(f"{wrong[0]}: embedding takes overrides of the engine group only")
    return from_plain(EngineConfig, {k.removeprefix("engine."): v for k, v in pairs.items()}, "engine")
