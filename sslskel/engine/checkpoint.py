"""Checkpoints as directories: tensors without pickle, state as JSON, a digest of every file.

A directory appears under its name only when it is whole; which one is newest is decided
by what verifies, not by what was written last.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from sslskel.errors import CheckpointError, RunError

FORMAT = 1
MANIFEST, STATE, MODEL, OPTIMISER = "manifest.json", "state.json", "model.safetensors", "optimiser.safetensors"


def save_checkpoint(
    folder: Path,
    step: int,
    model: Mapping[str, Tensor],
    optimiser: Mapping[str, Tensor],
    state: Mapping[str, Any],
    keep: int,
) -> Path:
    """Write ``folder/step-NNNNNNNN`` whole or not at all, then remove all but the ``keep`` newest.

    Raises ``RunError`` on a full disk or a read-only folder; earlier checkpoints stay.
    """
    target = folder / f"step-{step:08d}"
    temporary = folder / f"{target.name}.tmp-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        save_file(_unshared(model), temporary / MODEL)
        save_file(_unshared(optimiser), temporary / OPTIMISER)
        _write_json(temporary / STATE, {"format": FORMAT, "step": step, **state})
        files = {name: _fact(temporary / name) for name in (MODEL, OPTIMISER, STATE)}
        _write_json(temporary / MANIFEST, {"format": FORMAT, "files": files})
        for path in [*temporary.iterdir(), temporary]:
            _sync(path)
        if target.exists():
            shutil.rmtree(target)
        temporary.rename(target)
        _sync(folder)
    except (OSError, SafetensorError) as fault:
        shutil.rmtree(temporary, ignore_errors=True)
        raise RunError(_explain(fault, folder)) from fault
    for old in _steps(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def latest(folder: Path) -> Path | None:
    """The newest checkpoint that verifies; one warning names each damaged one that is passed over."""
    for step in reversed(_steps(folder)):
        fault = fault_of(step)
        if fault is None:
            return step
        warnings.warn(f"checkpoint {step} is damaged ({fault}); the one before it is used", stacklevel=2)
    return None


def fault_of(step: Path) -> str | None:
    """What is wrong with a checkpoint directory; None where every file is as it was written."""
    try:
        files = json.loads((step / MANIFEST).read_text(encoding="utf-8"))["files"]
        for name in (MODEL, OPTIMISER, STATE):
            if _fact(step / name) != files[name]:
                return f"{name} is not as it was written"
    except (OSError, ValueError, KeyError, TypeError, UnicodeDecodeError) as fault:
        return f"{type(fault).__name__}: {fault}"
    return None


def read_state(step: Path) -> dict[str, Any]:
    """Step, time, seed, ``finished`` and ``meta`` of a checkpoint directory."""
    fault = fault_of(step)
    if fault is not None:
        raise CheckpointError(f"checkpoint {step} is damaged: {fault}")
    state: dict[str, Any] = json.loads((step / STATE).read_text(encoding="utf-8"))
    if state.get("format") != FORMAT:
        raise CheckpointError(f"{step / STATE} has format {state.get('format')}; this version reads {FORMAT}")
    return state


def read_meta(step: Path) -> dict[str, Any]:
    """What the caller of training said a checkpoint is."""
    meta: dict[str, Any] = read_state(step)["meta"]
    return meta


def load_weights(step: Path) -> dict[str, Tensor]:
    """The method's state dict. The caller has verified the directory through :func:`read_state`."""
    return _load(step / MODEL)


def load_optimiser(step: Path) -> dict[str, Tensor]:
    """The optimiser's tensors."""
    return _load(step / OPTIMISER)


def remove_leftovers(folder: Path) -> None:
    """Remove what interrupted writes left; only processes that no longer run are concerned."""
    for path in folder.glob("step-*.tmp-*"):
        pid = path.name.rpartition("-")[2]
        if not (pid.isdigit() and _alive(int(pid))):
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def disk_faults(folder: Path) -> Iterator[None]:
    """Turn a full disk or a read-only folder into one sentence."""
    try:
        yield
    except OSError as fault:
        raise RunError(_explain(fault, folder)) from fault


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid != os.getpid()


def _steps(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("step-*") if p.is_dir() and p.name[5:].isdigit())


def _unshared(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies that share no memory, as safetensors asks for."""
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}


def _load(file: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load_file(file)
    except (OSError, SafetensorError) as fault:
        raise CheckpointError(f"{file} cannot be read: {fault}") from fault
    return tensors


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _fact(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256") if hasattr(hashlib, "file_digest") else _digest(file)
    return {"bytes": path.stat().st_size, "sha256": digest.hexdigest()}


def _digest(file: Any) -> Any:
    total = hashlib.sha256()
    while chunk := file.read(1 << 20):
        total.update(chunk)
    return total


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _explain(fault: Exception, folder: Path) -> str:
    number = getattr(fault, "errno", None)
    text = str(fault)
    if number in (errno.ENOSPC, errno.EDQUOT) or "No space left" in text or "quota" in text.lower():
        free = shutil.disk_usage(folder if folder.exists() else folder.parent).free
        return (
            f"no space to write a checkpoint in {folder} ({free / 2**20:.0f} MiB free): free some, for instance with"
            " `sslskel runs prune`, and give the same command again; earlier checkpoints are untouched"
        )
    return f"a checkpoint cannot be written in {folder}: {text}; make it writable and give the same command again"
