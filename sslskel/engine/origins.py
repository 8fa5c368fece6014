"""The files and checkpoints that a method declares as its origins: whether they are there, and what is in them.

What a checkpoint among them has seen is read in ``sslskel.grid.origins``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslskel.api.method import PretextMethod
from sslskel.api.origin import Kind, Origin
from sslskel.config.compose import to_plain
from sslskel.config.interpolation import NO_SEED, SEED
from sslskel.engine.checkpoint import is_step, weights_sha256
from sslskel.errors import CheckpointError, RunError, SslskelError, UsageError
from sslskel.hashing import file_sha256
from sslskel.plugins.registry import once
from sslskel.results.origins import SHORT


@dataclass(frozen=True)
class HashedOrigin:
    """An origin that exists, with the digest of its content."""

    kind: Kind
    path: Path
    sha256: str
    """Of the file, or of the checkpoint's weights."""
    seen: str
    """What its owner declares that a file was made from."""
    option: str
    """The option of the method that names it, with dots where it lies deeper; empty where none does."""

    @property
    def name(self) -> str:
        """For people, without the folders of this machine: a file's name, or that of a checkpoint's run."""
        return name_of(self.path)


def hashed_origins(plugin: type[PretextMethod], config: object) -> tuple[HashedOrigin, ...]:
    """What a method with this configuration reads, in its order.

    Raises ``UsageError`` in a sentence where ``origins`` fails, or a file or checkpoint is missing or of another
    kind; it names the option where there is one.
    """
    declared = _declared(plugin, config)
    options = to_plain(config) if declared else {}
    origins = []
    for origin in declared:
        option = next(_options_with(options, origin.path), "")
        what = f"method.{option}={origin.path}" if option else f"{plugin.__name__} reads {origin.path}"
        origins.append(HashedOrigin(origin.kind, origin.path, _content_once(origin, what), origin.seen, option))
    return tuple(origins)


def require_unchanged(origins: Iterable[HashedOrigin]) -> None:
    """Raise ``RunError`` where one is not what it was when the run was composed."""
    for one in origins:
        if _content(Origin(one.path, one.kind), str(one.path)) != one.sha256:
            raise RunError(
                f"{one.path} was changed after this run had been composed, which reads it; give the command again"
            )


def by_content(options: Mapping[str, Any], contents: Mapping[str, str]) -> dict[str, Any]:
    """Options of a method with a short digest in place of each path: ``contents`` is option -> sha256."""

    def settled(value: Any, name: str) -> Any:
        if name in contents:
            return f"sha256:{contents[name][:SHORT]}"
        if isinstance(value, dict):
            return {key: settled(inner, f"{name}.{key}") for key, inner in value.items()}
        if isinstance(value, list):
            return [settled(inner, f"{name}.{position}") for position, inner in enumerate(value)]
        return value

    return {key: settled(value, key) for key, value in options.items()}


def name_of(path: Path) -> str:
    """Name of a file, or of the run that a checkpoint is of."""
    whole = path.absolute()
    return whole.parent.name if is_step(whole) else whole.name


def _declared(plugin: type[PretextMethod], config: object) -> Sequence[Origin]:
    try:
        declared = tuple(plugin.origins(config))
    except SslskelError:
        raise
    except Exception as fault:
        raise UsageError(f"origins() of {plugin.__name__} failed: {type(fault).__name__}: {fault}") from fault
    for one in declared:
        if not isinstance(one, Origin) or not isinstance(one.path, Path):
            raise UsageError(f"origins() of {plugin.__name__} gave {one!r}, where an Origin with a Path was expected")
    return declared


def _options_with(value: Any, path: Path, name: str = "") -> Iterator[str]:
    """Names of the options whose value is the path."""
    if isinstance(value, str) and value and Path(value) == path:
        yield name
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from _options_with(inner, path, f"{name}.{key}" if name else str(key))


def _content_once(origin: Origin, what: str) -> str:
    """A grid asks for each of its cells."""
    return once(("origin", origin.kind, str(origin.path.absolute())), lambda: _content(origin, what))


def _content(origin: Origin, what: str) -> str:
    """sha256 of what is there; ``UsageError`` that begins with ``what`` where it is not what was declared."""
    path = origin.path
    if not path.exists() and SEED in str(path):
        raise UsageError(f"{what}: {NO_SEED}")
    if not path.exists():
        raise UsageError(f"{what}: there is no such {origin.kind}")
    if origin.kind == "file":
        if not path.is_file():
            raise UsageError(
                f"{what} is a folder, where a file was expected; a checkpoint that sslskel wrote is declared with kind"
                " 'checkpoint'"
            )
        try:
            return file_sha256(path)[1]
        except OSError as fault:
            raise UsageError(f"{what} cannot be read: {fault.strerror}") from fault
    if path.is_file():
        raise UsageError(
            f"{what} is a file, where a checkpoint that sslskel wrote was expected, which is a folder; weights of other"
            " programs are declared with kind 'file'"
        )
    try:
        return weights_sha256(path)
    except CheckpointError as fault:
        raise CheckpointError(f"{what}: {fault}") from fault
