"""Where a pretraining's first weights come from: a checkpoint, for all seeds or one per seed, whole or in part."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sslskel.api.method import PretextMethod
from sslskel.config.interpolation import SEED
from sslskel.config.stages import ENCODER, WEIGHTS
from sslskel.encoders.meta import CheckpointMeta
from sslskel.encoders.open import open_encoders, open_method
from sslskel.engine.checkpoint import read_state, resolve
from sslskel.engine.initial import Start, load_fitting, load_whole
from sslskel.errors import CheckpointError, UsageError
from sslskel.grid.sources import OUTDATED
from sslskel.hashing import digest

PART = re.compile(r"[A-Za-z_][\w.]*(=[A-Za-z_][\w.]*)?")


@dataclass(frozen=True)
class InitialWeights:
    """What ``--init`` means for one seed."""

    path: Path
    part: str
    digest: str
    """sha256 of the weights, and the part where it is not all of them: of the pretraining's identity."""
    of_seeds: str
    """The same for all seeds of a row, where each starts from a checkpoint of its own; else empty."""
    identity: str
    """Of the pretraining that the checkpoint is of."""


def initial_weights(init: Path, seeds: Sequence[int]) -> dict[int, InitialWeights]:
    """What every seed starts from.

    ``init`` is a checkpoint, a path with ``{seed}`` in it, or a folder that holds one run of every
    seed; ``:PART`` behind it takes a part. Raises ``UsageError`` where there is not exactly one.
    """
    folder, part = _apart(init)
    per_seed = SEED in str(folder) or (folder.is_dir() and not _is_run(folder) and bool(_runs(folder)[0]))
    known: dict[Path, InitialWeights] = {}
    made = {}
    for seed in seeds:
        path = _of_seed(folder, seed) if per_seed else folder
        if path not in known:
            known[path] = _described(path, part, per_seed)
        made[seed] = known[path]
    return made


def start_from(path: Path, part: str) -> Start:
    """Puts a checkpoint's weights, or a part of them, into a new method; it raises ``CheckpointError`` for a misfit."""

    def start(method: PretextMethod) -> None:
        if part in ("", WEIGHTS):
            load_whole(method, path)
        else:
            take_part(method, open_method(resolve(path))[0], part, str(path))

    return start


def take_part(own: PretextMethod, other: PretextMethod, part: str, where: str) -> None:
    """Give a method the weights of another one's part: ``weights``, ``encoder``, a module, or ``THEIRS=OURS``.

    ``where`` names the other one in the ``CheckpointError`` for names and shapes that do not fit.
    """
    kind = type(own).__name__
    if part == WEIGHTS:
        load_fitting(own, other.state_dict(), f"the weights of {where} do not fit {kind}")
        return
    if part == ENCODER:
        theirs, ours = other.encoders(), own.encoders()
        for stream, encoder in ours.items():
            source = next(iter(theirs.values())) if len(theirs) == len(ours) == 1 else theirs.get(stream)
            if source is None:
                raise CheckpointError(
                    f"{where} has no encoder of stream '{stream}', which {kind} needs (it has: {', '.join(theirs)})"
                )
            load_fitting(encoder, source.state_dict(), f"the encoder of {where} does not fit that of {kind}")
    else:
        name, _, into = part.partition("=")
        for method, wanted in ((other, name), (own, into or name)):
            if wanted not in dict(method.named_modules()):
                parts = ", ".join(child for child, _ in method.named_children())
                raise CheckpointError(f"{type(method).__name__} has no part '{wanted}' (it has: {ENCODER}, {parts})")
        refusal = f"part '{name}' of {where} does not fit '{into or name}' of {kind}"
        load_fitting(own.get_submodule(into or name), other.get_submodule(name).state_dict(), refusal)
    own.on_part_loaded()


def _apart(init: Path) -> tuple[Path, str]:
    """Path and part."""
    text = str(init)
    head, colon, part = text.rpartition(":")
    if colon and head and PART.fullmatch(part) and not init.exists():
        return Path(head), part
    return init, ""


def _is_run(folder: Path) -> bool:
    return (folder / "manifest.json").exists() or any(folder.glob("step-*"))


def _runs(folder: Path) -> tuple[dict[Path, int], list[str]]:
    """Seeds of a folder's runs that have a checkpoint and were not laid aside, and why others cannot be read."""
    seeds: dict[Path, int] = {}
    faults = []
    try:
        runs = [run for run in sorted(folder.iterdir()) if run.is_dir() and OUTDATED not in run.name]
    except OSError as fault:
        raise UsageError(f"--init {folder} cannot be read: {fault.strerror}") from fault
    for run in runs:
        try:
            if _is_run(run):
                seeds[run] = int(read_state(run)["seed"])
        except (CheckpointError, OSError, KeyError, TypeError, ValueError) as fault:
            faults.append(f"{run.name}: {fault}")
    return seeds, faults


def _of_seed(folder: Path, seed: int) -> Path:
    if SEED in str(folder):
        return Path(str(folder).replace(SEED, str(seed)))
    seeds, faults = _runs(folder)
    fitting = [run for run, number in seeds.items() if number == seed]
    if len(fitting) > 1:
        raise UsageError(
            f"--init {folder}: {len(fitting)} runs have seed {seed} ({', '.join(run.name for run in fitting)}); name"
            f" one, with {SEED} in the path where it is of several seeds"
        )
    if not fitting:
        there = ", ".join(map(str, sorted(set(seeds.values()))))
        unknown = f"; not known is that of {'; '.join(faults)}" if faults else ""
        raise UsageError(f"--init {folder}: no run in it has seed {seed} (there are seeds {there}){unknown}")
    return fitting[0]


def _described(path: Path, part: str, per_seed: bool) -> InitialWeights:
    if path.is_file():
        raise UsageError(f"--init takes a checkpoint directory that `sslskel pretrain` wrote, but {path} is a file")
    opened = open_encoders(path)
    tail = f":{part}" if part not in ("", WEIGHTS) else ""
    of_seeds = f"{_row(opened.meta)}{tail}" if per_seed else ""
    return InitialWeights(path, part, f"{opened.weights_sha256}{tail}", of_seeds, opened.meta.identity)


def _row(meta: CheckpointMeta) -> str:
    """What checkpoints of one pretraining have in common whatever their seed."""
    made = meta.construction
    assert made is not None
    options = [made.method, made.backbone, made.clip, made.train, made.precision, made.dataset.fingerprint]
    return digest({"method": asdict(meta.method), "benchmark": asdict(meta.benchmark), "options": options})
