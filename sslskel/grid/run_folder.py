"""One folder below ``pretrain/``: what it says of the run in it, and whether it can be trusted to say it all."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sslskel.config.groups import TRACKERS
from sslskel.encoders.meta import CheckpointMeta
from sslskel.engine.checkpoint import is_step, latest, read_state
from sslskel.engine.log_file import NAME as LOG
from sslskel.engine.metrics_file import NAME as METRICS
from sslskel.engine.step_log import FAULT_FILE
from sslskel.errors import CheckpointError
from sslskel.grid.sources import OUTDATED
from sslskel.text import plain

PRUNED = re.compile(r"\..+\.pruned-\d+")
"""What a folder is called while it is removed."""
_NAME = re.compile(rf".*-s\d+-(?P<identity>[0-9a-f]{{8,10}})(?:{re.escape(OUTDATED)}\d+)?")
_OWN = re.compile(
    rf"step-\d+(\.tmp-.*)?|\.?{re.escape(METRICS)}(\.tmp-.*)?|{re.escape(FAULT_FILE)}|{re.escape(LOG)}"
    rf"|{'|'.join(TRACKERS)}"
)
"""Names of all that a run writes into its folder."""


@dataclass(frozen=True)
class RunFolder:
    """What is known of a run; its state is that of its newest valid checkpoint."""

    path: Path
    bytes: int = 0
    identity: str = ""
    """Empty before the first checkpoint, and where it cannot be read."""
    step: int = 0
    finished: bool = False
    sources: Mapping[str, str] | None = None
    """Digests of the code that made it; None where it does not say."""
    comes_from: tuple[str, ...] = ()
    """Identities of the runs whose weights it took or read."""
    fault: str = ""
    """Why not all of it is known; such a run may need any other."""
    strange: tuple[str, ...] = ()
    """Names in it that no run writes."""

    @property
    def outdated(self) -> bool:
        """Whether plugins were edited since, and it was laid aside."""
        return OUTDATED in self.path.name

    @property
    def half_removed(self) -> bool:
        """Whether its removal was interrupted."""
        return PRUNED.fullmatch(self.path.name) is not None

    def is_of(self, identity: str) -> bool:
        """Whether it is the run of that identity, as far as its content or else its name says."""
        if self.identity:
            return self.identity == identity
        named = _NAME.fullmatch(self.path.name)
        return named is not None and identity.startswith(named["identity"])

    @classmethod
    def read(cls, path: Path) -> RunFolder:
        """What lies at ``path``, whatever it is."""
        size = bytes_below(path)
        try:
            names = sorted(entry.name for entry in os.scandir(path))
        except OSError as fault:
            return cls(path, size, fault=f"it cannot be read: {fault.strerror}")
        strange = tuple(plain(name) for name in names if not _OWN.fullmatch(name))
        steps = sorted((path / name for name in names if is_step(path / name)), key=lambda step: int(step.name[5:]))
        if steps and not PRUNED.fullmatch(path.name):
            return replace(cls._at(path, steps[-1]), bytes=size, strange=strange)
        named = _NAME.fullmatch(path.name) or PRUNED.fullmatch(path.name)
        return cls(
            path, size, fault="" if named else "it holds no checkpoint and is not called as a run", strange=strange
        )

    @classmethod
    def _at(cls, path: Path, last: Path) -> RunFolder:
        """What the newest valid checkpoint says; ``last`` is the newest of all."""
        try:
            newest = latest(path)
            if newest is None:
                return cls(path, fault="its checkpoints are damaged")
            state, meta = read_state(newest), CheckpointMeta.read(newest)
            step, finished = int(state["step"]), bool(state.get("finished", False))
        except CheckpointError as fault:
            return cls(path, fault=plain(fault))
        except (KeyError, TypeError, ValueError):
            return cls(path, fault=f"{last.name} does not say how far it is")
        reason = ""
        if newest != last:
            reason = f"{last.name} is damaged"
        elif meta.init and not meta.init_identity:
            reason = "it started from weights of another run and does not say which"
        return cls(path, 0, meta.identity, step, finished, meta.sources or None, meta.comes_from, reason)


def bytes_below(folder: Path) -> int:
    """Size of all files in a folder that can be looked at; what links lead to does not count."""
    total = 0
    for top, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(top, name)).st_size
            except OSError:
                continue
    return total
