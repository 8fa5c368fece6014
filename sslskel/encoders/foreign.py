"""Networks that nothing here trained, as encoders: any module that maps clips (N, C, T, V, M) to features (N, D).

What such a network saw is what its owner declares; see ``grid.foreign``.
"""

from __future__ import annotations

import copy
import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from sslskel.api.batch import Batch
from sslskel.api.encoder import Encoder
from sslskel.api.view import ClipSpec
from sslskel.errors import SslskelError, UsageError, did_you_mean
from sslskel.hashing import digest
from sslskel.paths import working_folder

SHAPES = {"clip": "(N, D)", "steps": "(N, T', D)", "tokens": "(N, M, T', V', D)"}
"""Of the features that an encoder may provide, for N clips."""
LIBRARIES = ("torch", "sslskel")
"""Packages whose classes are not part of a network's source: a record names their versions."""


@dataclass(frozen=True)
class ForeignModule:
    """A network, the name that boards show, and the files that it was made by."""

    module: nn.Module
    name: str
    files: tuple[Path, ...]
    preset: str | None = None
    """Named sizes that it is judged with; those of the benchmark where None."""

    @classmethod
    def of(cls, module: nn.Module, built_by: object = None, name: str = "") -> ForeignModule:
        """A module as it is; ``built_by`` is the callable that made it."""
        kinds = {type(part) for part in module.modules()}
        makers = [kind for kind in kinds if kind.__module__.partition(".")[0] not in LIBRARIES]
        files = {file for maker in (*makers, *([] if built_by is None else [built_by])) for file in _file_of(maker)}
        return cls(module, name or f"{type(module).__module__}:{type(module).__qualname__}", tuple(sorted(files)))

    @property
    def source_sha256(self) -> str:
        """sha256 over its files, whatever they are called; of nothing where it was typed at a prompt."""
        contents = sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in self.files)
        return hashlib.sha256("".join(contents).encode()).hexdigest()

    @property
    def structure(self) -> str:
        """Hex id of what its parts are and of the plain values that they hold, such as numbers of heads."""
        parts = {name: [type(part).__qualname__, dict(_plain(part))] for name, part in self.module.named_modules()}
        return digest({"parts": parts})

    def encoder(self, spec: ClipSpec) -> ForeignEncoder:
        """A copy as an encoder of clips ``spec``, so that nothing that is done with it reaches the module."""
        try:
            module = copy.deepcopy(self.module)
        except Exception as fault:
            raise UsageError(f"{self.name} cannot be copied: {type(fault).__name__}: {fault}") from fault
        return ForeignEncoder(module, spec, self.name)


def build_module(place: str, preset: str | None = None) -> ForeignModule:
    """Call ``PACKAGE.MODULE:CALLABLE``, which returns a network; modules of the working directory are known.

    ``preset`` names the sizes that it is judged with. Raises ``UsageError`` in a sentence where the callable is not
    there, fails, or returns anything else.
    """
    where, colon, attribute = place.partition(":")
    if not (where and colon and attribute):
        raise UsageError(
            f"'{place}' names no callable; write PACKAGE.MODULE:CALLABLE, for instance my_package.my_module:build"
        )
    build: object = _imported(where, place)
    for part in attribute.split("."):
        if not hasattr(build, part):
            raise UsageError(f"module '{where}' has no '{part}'{did_you_mean(part, dir(build))}")
        build = getattr(build, part)
    if not callable(build):
        raise UsageError(f"{place} is a {type(build).__name__}, where a callable that returns a network was expected")
    module = _built(build, place)
    if not isinstance(module, nn.Module):
        raise UsageError(f"{place}() returned a {type(module).__name__}, where a torch.nn.Module was expected")
    return replace(ForeignModule.of(module, build, place), preset=preset)


class ForeignEncoder(Encoder):
    """A module that maps dense clips (N, C, T, V, M), zeros for missing persons, to features (N, D).

    Its methods ``steps`` and ``tokens``, where its class has them, map the same clips to
    (N, T', D) and (N, M, T', V', D). All that it gives is checked: raises ``UsageError``
    for another shape.
    """

    def __init__(self, module: nn.Module, spec: ClipSpec, name: str) -> None:
        super().__init__()
        self.module, self.spec, self.name = module, spec, name
        self.dim = 0

    @property
    def provides(self) -> frozenset[str]:
        """``clip``, and what else the module has methods for."""
        if isinstance(self.module, Encoder):
            return self.module.provides
        more = (name for name in ("steps", "tokens") if callable(getattr(type(self.module), name, None)))
        return frozenset({"clip", *more})

    def clip(self, batch: Batch) -> Tensor:
        return self._checked("clip", batch)

    def steps(self, batch: Batch) -> Tensor:
        return self._checked("steps", batch)

    def tokens(self, batch: Batch) -> Tensor:
        return self._checked("tokens", batch)

    def measure(self, batches: Iterator[Batch]) -> None:
        """Set ``dim`` to the width of its features of some clips, and try all that it provides.

        Raises ``UsageError`` in a sentence where it fails, or gives a wrong shape, another width
        for other clips, or values that are not finite.
        """
        with torch.no_grad():
            for batch in batches:
                for kind in sorted(self.provides):
                    features = self._tried(kind, batch)
                    if not torch.isfinite(features).all():
                        raise UsageError(f"{self.name} gives features that are not finite ({kind}); see its weights")

    def _tried(self, kind: str, batch: Batch) -> Tensor:
        try:
            features: Tensor = getattr(self, kind)(batch)
        except SslskelError:
            raise
        except Exception as fault:
            shape = tuple(batch.dense(self.spec.persons).shape)
            raise UsageError(
                f"{self.name} cannot read clips (N, C, T, V, M) of shape {shape}: {type(fault).__name__}: {fault};"
                " clip.frames=NUMBER sets T"
            ) from fault
        return features

    def _checked(self, kind: str, batch: Batch) -> Tensor:
        network = self.module if kind == "clip" else getattr(self.module, kind)
        as_batch = isinstance(self.module, Encoder) and kind != "clip"
        features, count = network(batch if as_batch else batch.dense(self.spec.persons)), batch.num_clips
        what = f"{self.name} gives" + ("" if kind == "clip" else f", as {kind},")
        if not isinstance(features, Tensor):
            raise UsageError(f"{what} a {type(features).__name__}, where a tensor {SHAPES[kind]} was expected")
        shape = tuple(features.shape)
        if len(shape) != SHAPES[kind].count(",") + 1 or shape[0] != count or not features.is_floating_point():
            raise UsageError(
                f"{what} a tensor of shape {shape} and type {features.dtype} for {count} clips, where"
                f" {SHAPES[kind]} of floating-point numbers was expected"
            )
        self.dim = self.dim or shape[-1]
        if shape[-1] != self.dim:
            raise UsageError(
                f"{what} features of width {shape[-1]} for {count} clips after {self.dim} before; D must be the same"
                " for all clips"
            )
        return features


def _imported(where: str, place: str) -> object:
    here = str(working_folder())
    if here not in sys.path:
        sys.path.append(here)
    try:
        return importlib.import_module(where)
    except ModuleNotFoundError as fault:
        raise UsageError(f"{place}: there is no module '{fault.name}' here or among the installed packages") from fault
    except Exception as fault:
        raise UsageError(f"{place}: '{where}' cannot be imported: {type(fault).__name__}: {fault}") from fault


def _built(build: Callable[[], object], place: str) -> object:
    try:
        return build()
    except SslskelError:
        raise
    except Exception as fault:
        raise UsageError(f"{place}() failed: {type(fault).__name__}: {fault}") from fault


def _file_of(thing: object) -> list[Path]:
    module = sys.modules.get(getattr(thing, "__module__", ""))
    try:
        file = None if module is None else inspect.getsourcefile(module)
    except TypeError:  # typed at a prompt, or built into Python
        return []
    return [Path(file)] if file and Path(file).is_file() else []


def _plain(part: nn.Module) -> Iterator[tuple[str, object]]:
    for name, value in sorted(vars(part).items()):
        items = value if isinstance(value, (list, tuple)) else [value]
        if name != "training" and not name.startswith("_") and all(isinstance(v, (int, float, str)) for v in items):
            yield name, value
