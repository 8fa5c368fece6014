"""Checkpoints as directories: tensors without pickle, state as JSON, a digest of every file.

A directory appears under its name only when it is whole; which one is newest is decided
by what verifies, not by what was written last. The training loop decides when to write one.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from sslskel.errors import CheckpointError
from sslskel.files import new_folder, parse_json, read_regular, write_synced, writing_in
from sslskel.hashing import json_bytes
from sslskel.plugins.encoders import checkpoint_path

FORMAT = 1
MANIFEST, STATE, MODEL, OPTIMISER = "manifest.json", "state.json", "model.safetensors", "optimiser.safetensors"
FILES = (MODEL, OPTIMISER, STATE)

_STEP = re.compile(r"step-[0-9]{1,18}")

_log = logging.getLogger("sslskel")


def step_folder(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return folder / f"step-{step:08d}"


def save_checkpoint(
    folder: Path,
    step: int,
    model: Mapping[str, Tensor],
    optimiser: Mapping[str, Tensor],
    state: Mapping[str, object],
    keep: int,
) -> Path:
    """Write the step's directory whole or not at all, then remove all but the ``keep`` newest.

    Directories of later steps go too: a run that writes an earlier step has passed over
    them as damaged. Raises ``RunError`` on a full disk or a read-only folder; earlier
    checkpoints stay.
    """
    target = step_folder(folder, step)
    temporary = folder / f"{target.name}.tmp-{os.getpid()}"
    contents = {
        MODEL: save(_unshared(model)),
        OPTIMISER: save(_unshared(optimiser)),
        STATE: json_bytes({"format": FORMAT, "step": step, **state}),
    }
    size = sum(len(content) for content in contents.values())
    with writing_in(folder, f"the checkpoint of step {step} ({size / 2**20:.1f} MiB)"):
        _remove(temporary)
        with new_folder(target, temporary):
            _fill(temporary, contents)
            if target.exists():
                _remove(target)
    earlier = [path for path in _steps(folder) if path.name <= target.name]
    for old in set(_steps(folder)) - set(earlier[-keep:]):
        # Another process may be removing it; one old checkpoint too many does no harm.
        with contextlib.suppress(OSError):
            _remove(old)
    return target


def pack(source: Path, target: Path) -> dict[str, Any]:
    """Write a checkpoint's weights and state, without its optimiser, into the empty folder ``target``.

    Returns the state. Raises ``CheckpointError`` where ``source`` is damaged; faults of the disk are the
    caller's.
    """
    step = resolve(source)
    state = read_state(step)
    _fill(target, {MODEL: _verified(step, MODEL), OPTIMISER: save({}), STATE: _verified(step, STATE)})
    return state


def _fill(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write these files and a manifest of their digests."""
    for name, content in contents.items():
        write_synced(folder / name, content)
    facts = {name: _facts(content) for name, content in contents.items()}
    write_synced(folder / MANIFEST, json_bytes({"format": FORMAT, "files": facts}))


class UnknownCheckpoint(CheckpointError):
    """A checkpoint that exists and cannot be read: nobody knows what is in it, so none before it may take its place."""


class OtherRun(CheckpointError):
    """A checkpoint of another run, in the folder of this one."""


def latest(folder: Path) -> Path | None:
    """The newest checkpoint that verifies; one line of warning names each damaged one passed over.

    Raises ``UnknownCheckpoint`` for a newer one of a later version, and where a file or the folder may not be read.
    """
    for step in reversed(_steps(folder)):
        fault = fault_of(step)
        if fault is None:
            return step
        _log.warning("checkpoint %s is damaged (%s); the newest valid one before it is used", step, fault)
    return None


def kept_before(step: Path) -> list[Path]:
    """Directories of earlier steps of the same run that verify, oldest first; none for a lone or exported one."""
    if not is_step(step):
        return []
    number = int(step.name[5:])
    return [one for one in _steps(step.parent) if int(one.name[5:]) < number and fault_of(one) is None]


def resolve(path: Path) -> Path:
    """One step's directory: ``path`` itself or the exported encoder of that name, or the newest valid one in it.

    Raises ``CheckpointError`` if there is none.
    """
    path = checkpoint_path(path)
    if (path / MANIFEST).exists() or is_step(path):
        return path
    step = latest(path)
    if step is None:
        raise CheckpointError(f"{path} has no valid checkpoint; give a folder with step-... directories")
    return step


def fault_of(step: Path) -> str | None:
    """What is wrong with a step's directory, naming the file; None where all is as it was written.

    Raises ``UnknownCheckpoint`` where nobody can know.
    """
    try:
        facts = _manifest(step)
        for name in FILES:
            _read(step, name, facts)
    except UnknownCheckpoint as fault:
        raise UnknownCheckpoint(f"checkpoint {step} cannot be read: {fault}") from fault
    except CheckpointError as fault:
        return str(fault)
    return None


def read_state(path: Path) -> dict[str, Any]:
    """Step, time, seed, ``finished``, ``meta`` ...; ``path`` as for :func:`resolve`. Raises ``CheckpointError``."""
    step = resolve(path)
    try:
        state = parse_json(_verified(step, STATE).decode("utf-8"))
    except ValueError as fault:
        raise CheckpointError(f"{step / STATE} cannot be read: {fault}") from fault
    if not isinstance(state, dict) or not isinstance(state.get("meta"), dict):
        raise CheckpointError(f"{step / STATE} does not say what the checkpoint is of")
    if state.get("format") != FORMAT:
        raise CheckpointError(f"{step / STATE} has format {state.get('format')}; this version reads format {FORMAT}")
    if not isinstance(state.get("step"), int) or isinstance(state["step"], bool) or state["step"] < 0:
        raise CheckpointError(f"{step / STATE} does not say by a whole number which step it is of")
    return state


def read_meta(path: Path) -> dict[str, Any]:
    """What the caller of training stored with the checkpoint. Raises ``CheckpointError``."""
    meta: dict[str, Any] = read_state(path)["meta"]
    return meta


def load_weights(path: Path) -> dict[str, Tensor]:
    """The method's state dict, on the CPU; ``path`` as for :func:`resolve`. Raises ``CheckpointError``."""
    return _tensors(resolve(path), MODEL)


def weights_sha256(path: Path) -> str:
    """sha256 of the file of weights; ``path`` as for :func:`resolve`. Raises ``CheckpointError``."""
    return hashlib.sha256(_verified(resolve(path), MODEL)).hexdigest()


def load_optimiser(path: Path) -> dict[str, Tensor]:
    """The optimiser's tensors, on the CPU. Raises ``CheckpointError``."""
    return _tensors(resolve(path), OPTIMISER)


def remove_leftovers(folder: Path) -> None:
    """Remove what interrupted writes left; what a running process is writing stays."""
    for path in folder.glob("step-*.tmp-*"):
        pid = path.name.rpartition("-")[2]
        if not (pid.isdigit() and _runs(int(pid))):
            shutil.rmtree(path, ignore_errors=True)


def _runs(pid: int) -> bool:
    """Whether another process of this machine has the number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    except OverflowError:
        return False
    return pid != os.getpid()


def is_step(path: Path) -> bool:
    """Whether a path is that of one step's directory."""
    return _STEP.fullmatch(path.name) is not None and path.is_dir()


def _steps(folder: Path) -> list[Path]:
    """Step directories, oldest first."""
    try:
        paths = [folder / entry.name for entry in os.scandir(folder)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as fault:
        raise UnknownCheckpoint(f"{folder} cannot be read: {fault.strerror}") from fault
    return sorted(filter(is_step, paths), key=lambda path: (int(path.name[5:]), path.name))


def _remove(path: Path) -> None:
    """Delete a directory so that a kill in between leaves no half of it under its name."""
    if is_step(path):
        aside = path.with_name(f"{path.name}.tmp-old-{os.getpid()}")
        shutil.rmtree(aside, ignore_errors=True)
        path = path.rename(aside)
    shutil.rmtree(path, ignore_errors=True)


def _unshared(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies that share no memory, as safetensors asks for."""
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}


def _facts(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _manifest(step: Path) -> Any:
    """Facts of each file. Any byte that differs from how it is written is a fault, white space included."""
    raw = _bytes(step, MANIFEST)
    try:
        content: Any = parse_json(raw.decode("utf-8"))
        facts, version = content["files"], content["format"]
        whole = json_bytes(content) == raw
    except (ValueError, KeyError, TypeError) as fault:
        raise CheckpointError(f"{MANIFEST}: is not as it was written") from fault
    if whole and isinstance(version, int) and version > FORMAT:
        raise UnknownCheckpoint(f"a later version of sslskel wrote it (format {version}); update to read it")
    if not whole or version != FORMAT or not isinstance(facts, dict) or set(facts) != set(FILES):
        raise CheckpointError(f"{MANIFEST}: is not as it was written")
    return facts


def _bytes(step: Path, name: str) -> bytes:
    try:
        return read_regular(step / name, None)
    except PermissionError as fault:
        raise UnknownCheckpoint(f"{name}: {fault.strerror}") from fault
    except OSError as fault:
        raise CheckpointError(f"{name}: {fault.strerror}") from fault


def _read(step: Path, name: str, facts: Any) -> bytes:
    content = _bytes(step, name)
    if _facts(content) != facts[name]:
        raise CheckpointError(f"{name}: is not as it was written")
    return content


def _verified(step: Path, name: str) -> bytes:
    """The bytes that were verified, not those of a second look."""
    try:
        return _read(step, name, _manifest(step))
    except UnknownCheckpoint as fault:
        raise UnknownCheckpoint(f"checkpoint {step} cannot be read: {fault}") from fault
    except CheckpointError as fault:
        raise CheckpointError(f"checkpoint {step} is damaged ({fault}); use an earlier one") from fault


def _tensors(step: Path, name: str) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load(_verified(step, name))
    except SafetensorError as fault:
        raise CheckpointError(f"{step / name} is not a safetensors file: {fault}") from fault
    return tensors
