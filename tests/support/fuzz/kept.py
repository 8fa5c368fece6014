"""Readers of what sslskel itself wrote: prepared data, checkpoints, records, features; and of released weights."""

from __future__ import annotations

import argparse
import io
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fuzz.specimens import Array, Files, Reader, Result, of_dataset
from released_files import released_state
from torch import Tensor

from sslskel.api.benchmark import ImportReport
from sslskel.api.dataset import Clip, DatasetInfo, Track
from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.store.store import open_dataset, write_dataset
from sslskel.encoders.export import export
from sslskel.encoders.meta import CheckpointMeta
from sslskel.encoders.open import open_encoders
from sslskel.encoders.released import load_released
from sslskel.engine.checkpoint import load_optimiser, load_weights, read_state
from sslskel.errors import DataError
from sslskel.results.feature_cache import FeatureCache
from sslskel.results.store import ResultStore

FROZEN = Path(__file__).resolve().parents[2] / "frozen" / "runs"
RUN = FROZEN / "pretrain" / "mamp-tiny-xsub-s0-5fa2e6cbba" / "step-00000002"
UNTRAINED = FROZEN / "pretrain" / "random_init-tiny-xsub-s0-4eb950ba95" / "step-00000000"
RECORD = "1f943779a0c8d4c90f030d951222881f"


def files_of(folder: Path, below: str = "") -> Files:
    """All files of a folder by their paths below it."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {below + path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def store() -> Files:
    """Three clips of two persons."""
    layout = SkeletonLayout("chain3", ("j0", "j1", "j2"), (-1, 0, 1), 0)
    info = DatasetInfo("toy", 1, layout, ("sit", "stand"), 30.0, persons=2)

    def seen(slot: int, begin: int, frames: int) -> Track:
        values = np.random.default_rng(slot).normal(size=(frames, 3, 3)).astype(np.float32)
        return Track(slot, begin, values, np.ones(frames, np.bool_))

    clips = [
        Clip("a", 0, 4, (seen(0, 0, 4), seen(1, 1, 3)), subject=3),
        Clip("ö", -1, 4, (seen(0, 0, 4),)),
        Clip("b", 1, 4, (seen(0, 0, 4),)),
    ]
    report = ImportReport(dropped={"c": "toy.txt is empty"}, notes=["short"], source={"a.zip": "00"})
    with tempfile.TemporaryDirectory() as folder:
        write_dataset(Path(folder) / "toy", info, clips, report=report)
        return files_of(Path(folder) / "toy", "toy/")


def read_store(folder: Path) -> Result:
    dataset = open_dataset(folder / "toy")
    dataset.verify()
    return of_dataset(dataset, dataset.report())


def arrays_of(tensors: Mapping[str, Tensor]) -> dict[str, Array]:
    return {name: tensor.numpy() for name, tensor in sorted(tensors.items())}


def read_checkpoint(folder: Path) -> Result:
    step = folder / RUN.name
    state = read_state(step)
    arrays = {**arrays_of(load_weights(step)), **arrays_of(load_optimiser(step))}
    return Result(arrays, {"state": state, "meta": CheckpointMeta.read(step).to_json()})


def opened(path: Path) -> Result:
    """The weights and description of the encoders in a folder or file."""
    found = open_encoders(path)
    arrays = {
        f"{stream}.{name}": array
        for stream, encoder in found.encoders.items()
        for name, array in arrays_of(encoder.state_dict()).items()
    }
    return Result(arrays, {"meta": found.meta.to_json()})


def exported() -> Files:
    """An untrained encoder, packed to share."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "runs" / "pretrain" / UNTRAINED.parent.name / UNTRAINED.name
        shutil.copytree(UNTRAINED, run)
        target, _ = export(run, Path(folder) / "shared")
        return files_of(target, "shared/")


def read_exported(folder: Path) -> Result:
    return opened(folder / "shared")


def record() -> Files:
    """A record with its digest, and its predictions."""
    with tempfile.TemporaryDirectory() as folder:
        frozen, made = ResultStore(FROZEN), ResultStore(Path(folder))
        kept = frozen.read(RECORD)
        made.write(kept, frozen.predictions(kept))
        return files_of(Path(folder), "runs/")


def read_record(folder: Path) -> Result:
    results = ResultStore(folder / "runs")
    kept = results.read(RECORD)
    return Result(results.predictions(kept), {"record": json.loads(kept.to_json())})


CONTEXT = {"weights": "0" * 64, "data": "1" * 64}
TABLE = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)


def features() -> Files:
    with tempfile.TemporaryDirectory() as folder:
        FeatureCache(Path(folder), CONTEXT).table({"part": "train"}, TABLE.copy)
        return {f"features/{name}": content for name, content in files_of(Path(folder)).items()}


def read_features(folder: Path) -> Result:
    """The table; a file that counts as missing is a refusal, which a command answers by encoding again."""

    def missing() -> Array:
        raise DataError(f"'{folder / 'features'}' has no such features; they are made again")

    table = FeatureCache(folder / "features", CONTEXT).table({"part": "train"}, missing)
    return Result({"table": table})


def released() -> Files:
    packed = io.BytesIO()
    options = argparse.Namespace(model_args={"num_heads": 8}, lr=0.1)
    torch.save({"model": released_state(), "args": options, "epoch": 3}, packed)
    return {"released.pth": packed.getvalue()}


def read_released(folder: Path) -> Result:
    encoder = load_released(folder / "released.pth")
    return Result(arrays_of(encoder.state_dict()))


def named(name: str, make: Any, read: Any, *covers: str, **facts: Any) -> Reader:
    """A reader all of whose files are damaged, each as often as the others."""
    return Reader(name, make, read, tuple(make()), covers, **facts)


def kept() -> tuple[Reader, ...]:
    """All of them; the specimens are written anew each time."""
    checkpoint = files_of(RUN, f"{RUN.name}/")
    return (
        named("prepared data", store, read_store, "store", inside=True, checked="content"),
        named("checkpoint", lambda: dict(checkpoint), read_checkpoint, "checkpoint", inside=True, checked="content"),
        named("exported encoder", exported, read_exported, "export", inside=True, checked="content"),
        named("record", record, read_record, "record", inside=True, checked="content"),
        named("features", features, read_features, "features", checked="content"),
        named("released weights", released, read_released, "pth", inside=True, checked="bytes"),
    )
