"""What this installation runs on, and a self-test of about ten seconds: for bug reports and new machines.

It reads and tests, changes nothing, and leaves no files behind.
"""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch

from sslskel.checks import check_method, check_protocol
from sslskel.checks.fixtures import dataset_info, make_clips
from sslskel.data.prepare import data_root
from sslskel.data.store.store import open_dataset, write_dataset
from sslskel.engine.checkpoint import fault_of, load_weights, save_checkpoint
from sslskel.engine.device import available_devices, hardware
from sslskel.engine.provenance import PACKAGES, code_version
from sslskel.errors import RunError, SslskelError, UsageError
from sslskel.files import read_regular, write_synced
from sslskel.plugins.registry import METHODS, PROTOCOLS, REGISTRIES, Entry, Registry

GIB = 2**30
LARGEST_PLUGIN = 2**22
"""Bytes of a plugin's file that is looked at."""
LEAST_DISK = 1 * GIB
"""Free bytes below which a folder is reported as nearly full."""


class Finding(NamedTuple):
    """One line of the report; ``fault`` says what to do where something is wrong."""

    name: str
    value: str
    fault: str = ""


def examine(output: Path | str = "runs") -> Iterator[Finding]:
    """Versions, machine, devices, distributed back ends, memory, disk and plugins. Tries nothing yet."""
    code = code_version()
    commit = f" at {code['commit'][:12]}{' with changes' if code['dirty'] else ''}" if code["commit"] else ""
    yield Finding("sslskel", f"{importlib.metadata.version('sslskel')}{commit}, Python {platform.python_version()}")
    yield Finding("packages", ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES))
    machine = hardware()
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine["cores"]
    yield Finding("system", platform.platform())
    yield Finding(
        "processor", f"{machine['cpu']}, {usable} of {machine['cores']} cores usable, {machine['threads']} threads"
    )
    yield _load(usable)
    yield from _gpus()
    yield _back_ends()
    yield _memory()
    yield _disk("data", data_root)
    yield _disk("results", lambda: Path(output))
    yield from _plugins()


def _load(cores: int) -> Finding:
    if not hasattr(os, "getloadavg"):
        return Finding("load", "not known on this system")
    load = os.getloadavg()[0]
    hint = "; others use the cores, and fewer threads (OMP_NUM_THREADS=1) may be faster" if load > cores else ""
    return Finding("load", f"{load:.1f} on {cores} cores{hint}")


def _gpus() -> Iterator[Finding]:
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        short = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
        yield Finding(f"cuda:{index}", f"{facts.name}, {facts.total_memory / GIB:.0f} GiB, {short}")
    if not torch.cuda.device_count():
        why = "this PyTorch is built without CUDA" if torch.version.cuda is None else "no GPU is visible"
        yield Finding("cuda", f"none: {why}")


def _back_ends() -> Finding:
    distributed = torch.distributed
    if not distributed.is_available():
        return Finding("distributed", "none", "this PyTorch has no torch.distributed; several processes cannot train")
    have = {"gloo": distributed.is_gloo_available(), "nccl": distributed.is_nccl_available()}
    return Finding("distributed", ", ".join(name for name, there in have.items() if there) or "no back end")


def _memory() -> Finding:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return Finding("memory", "not known on this system")
    sizes = {line.partition(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.endswith("kB")}
    return Finding("memory", f"{sizes['MemAvailable'] / GIB:.1f} of {sizes['MemTotal'] / GIB:.1f} GiB free")


def _disk(name: str, find: Callable[[], Path]) -> Finding:
    try:
        folder = find()
    except UsageError as unknown:
        return Finding(name, "not known", str(unknown))
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    fault = ""
    if not os.access(there, os.W_OK):
        fault = f"{there} cannot be written; make it writable or choose another folder"
    elif free < LEAST_DISK:
        fault = "nearly full; free some, for instance with `sslskel runs prune`"
    return Finding(name, f"{folder}, {free / GIB:.1f} GiB free", fault)


def _plugins() -> Iterator[Finding]:
    for kind, registry in REGISTRIES.items():
        try:
            entries = registry.entries()
        except UsageError as unknown:
            yield Finding(kind, "not known", str(unknown))
            continue
        broken = [entry.name for entry in entries if _broken(registry, entry)]
        fault = f"broken: {', '.join(broken)}; `sslskel list {kind} --check` says why" if broken else ""
        yield Finding(kind, f"{len(entries)} found", fault)


def _broken(registry: Registry[Any], entry: Entry) -> bool:
    """Whether a plugin cannot be used; those of the working folder are read, and not run."""
    try:
        registry.entry(entry.name)
        if entry.source == "preset":
            entry = registry.entry(registry.plugin_of(entry.name))
        if entry.source != "local":
            return registry.installed(entry.name) is None
        place = Path(entry.target)
        tree = ast.parse(read_regular(place / "__init__.py" if place.is_dir() else place, LARGEST_PLUGIN))
        return any(importlib.util.find_spec(name) is None for name in _imported(tree))
    except (UsageError, OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return True


def _imported(tree: ast.Module) -> Iterator[str]:
    """Names of the packages without which a file cannot be imported."""
    for line in tree.body:
        if isinstance(line, ast.Import):
            yield from (name.name.partition(".")[0] for name in line.names)
        elif isinstance(line, ast.ImportFrom) and not line.level and line.module:
            yield line.module.partition(".")[0]


def self_test() -> Iterator[Finding]:
    """Try what a run needs, on every device: the value of each finding is how long it took."""
    tests: list[tuple[str, Callable[[], None]]] = [
        ("a dataset is written, read and verified", _try_store),
        ("a checkpoint is written and read, and a flipped bit is detected", _try_checkpoint),
        ("a method trains", _try_method),
        ("a protocol scores known features", _try_protocol),
        *((f"{device} computes", _on_device(device)) for device in available_devices() if device != "cuda"),
    ]
    for name, attempt in tests:
        start, fault = time.perf_counter(), ""
        try:
            attempt()
        except (SslskelError, OSError, RuntimeError) as error:
            fault = str(error).splitlines()[0]
        yield Finding(name, f"{time.perf_counter() - start:.1f} s", fault)


def _try_store() -> None:
    with tempfile.TemporaryDirectory() as folder:
        info = dataset_info()
        fingerprint = write_dataset(Path(folder) / "set", info, make_clips(info, 8))
        dataset = open_dataset(Path(folder) / "set")
        dataset.verify()
        if dataset.fingerprint != fingerprint:
            raise RunError("the dataset read is not the one written")


def _try_checkpoint() -> None:
    weights = {"weight": torch.arange(1000, dtype=torch.float32)}
    with tempfile.TemporaryDirectory() as folder:
        step = save_checkpoint(Path(folder), 1, weights, {}, {"meta": {}}, keep=1)
        if fault_of(step) is not None or not torch.equal(load_weights(step)["weight"], weights["weight"]):
            raise RunError("the checkpoint read is not the one written")
        content = bytearray((step / "model.safetensors").read_bytes())
        content[-1] ^= 1
        write_synced(step / "model.safetensors", bytes(content))
        if fault_of(step) is None:
            raise RunError("a flipped bit was not detected")


def _try_method() -> None:
    quick = next(name for name, plugin in METHODS.built_in() if plugin.trains and not plugin.cross_batch)
    _passed(check_method(quick, only={"loss_is_finite", "loss_falls", "weights_come_back"}))


def _try_protocol() -> None:
    quick = next(
        name
        for name, plugin in PROTOCOLS.built_in()
        if plugin.trains == "nothing" and plugin.primary == "top1" and not plugin.check_config
    )
    _passed(check_protocol(quick, only={"leaked_labels_score_full", "random_features_score_at_chance"}))


def _passed(results: object) -> None:
    failed = [f"{result.name}: {result.detail}" for result in results if result.failed]  # type: ignore[attr-defined]
    if failed:
        raise RunError("; ".join(failed))


def _on_device(name: str) -> Callable[[], None]:
    """A matrix product against float64; the bound leaves room for TF32, which training switches off."""

    def attempt() -> None:
        random = torch.Generator().manual_seed(0)
        left, right = torch.randn(256, 256, generator=random), torch.randn(256, 256, generator=random)
        product = (left.to(name) @ right.to(name)).cpu().double()
        error = float((product - left.double() @ right.double()).abs().max())
        if not error < 0.2:
            raise RunError(f"a matrix product is off by {error:.2g}")

    return attempt
