"""Finds plugins by name: built-in folders, installed packages, the working directory.

Listing names and origins imports no plugin; only :meth:`Registry.get` does. A broken
plugin is an error of its own name alone. This file imports nothing heavy.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sslskel.errors import UsageError, did_you_mean
from sslskel.paths import imported_sets
from sslskel.plugins.local import import_local, local_folders
from sslskel.plugins.yaml_file import read_yaml
from sslskel.text import plain

if TYPE_CHECKING:
    from sslskel.api.backbone import Backbone
    from sslskel.api.benchmark import Benchmark
    from sslskel.api.method import PretextMethod
    from sslskel.api.protocol import EvaluationProtocol

T = TypeVar("T", covariant=True)
Value = TypeVar("Value")

_kept: dict[tuple[str, ...], Any] | None = None


@contextlib.contextmanager
def looked_up_once() -> Iterator[None]:
    """Inside, lookups are cached: a grid makes thousands of them, and plugins do not change in between.

    Works as a decorator as well.
    """
    global _kept
    outer, _kept = _kept, {} if _kept is None else _kept
    try:
        yield
    finally:
        _kept = outer


def once(key: tuple[str, ...], find: Callable[[], Value]) -> Value:
    """What ``find`` gives; inside :func:`looked_up_once` it is asked once for each key."""
    if _kept is None:
        return find()
    if key not in _kept:
        _kept[key] = find()
    value: Value = _kept[key]
    return value


COMMON = "common"
"""The folder, or module, of a plugin folder that holds what its plugins share; no plugin has this name."""
DEFAULT_BENCHMARK = "synthetic"
"""The benchmark of commands that are given none: its clips are generated, so every machine has them."""
DEFAULT_PROTOCOL = "linear"
"""The protocol of commands that are given none."""


@dataclass(frozen=True)
class Entry:
    """A name and where it comes from."""

    name: str
    origin: str
    """For a person: file, or distribution and object."""
    target: str
    """``module:NAME``, ``module``, or a file path of a local plugin."""
    source: str
    """``built-in``, ``package``, ``local``, ``imported`` or ``preset``."""


class Registry(Generic[T]):
    """All plugins of one kind.

    ``folder`` is a package whose modules are plugins (see :func:`is_plugin`); ``base`` is ``module:NAME`` of the
    class they subclass or are instances of, imported only when a plugin is loaded.
    ``imported`` is ``module:FUNCTION`` that makes a plugin of the folder of an imported set.
    """

    def __init__(
        self, kind: str, folder: str, base: str, *, instance: str | None = None, presets: str = "", imported: str = ""
    ) -> None:
        self.kind, self._folder, self._base = kind, folder, base
        self._instance, self._presets, self._imported = instance, presets, imported

    @property
    def group(self) -> str:
        """Entry point group, for instance ``sslskel.methods``."""
        return f"sslskel.{self.kind}s"

    def entries(self) -> list[Entry]:
        """Every known name with its origin, sorted; a name may occur twice (see :meth:`get`)."""
        return once((self.kind,), self._look)

    def _look(self) -> list[Entry]:
        entries = [*self._built_in(), *self._installed(), *self._local(), *self._sets(), *self._preset_entries()]
        return sorted(entries, key=lambda entry: (entry.name, entry.source, entry.origin))

    def names(self) -> list[str]:
        """Every known name once, sorted."""
        return sorted({entry.name for entry in self.entries()})

    def built_in(self) -> Iterator[tuple[str, T]]:
        """Names and plugins of the built-in folder, each imported when it is asked for.

        One that cannot be loaded is an error of its own name alone (see :meth:`get`), and left out here.
        """
        for entry in self._built_in():
            try:
                plugin = self._load(entry)
            except UsageError:
                continue
            yield entry.name, plugin

    def entry(self, name: str) -> Entry:
        """The entry of a name; ``UsageError`` where it is unknown or two plugins share it."""
        entries = self.entries()
        matches = [entry for entry in entries if entry.name == name]
        if not matches:
            names = sorted({entry.name for entry in entries})
            raise UsageError(
                f"there is no {self.kind} '{name}'{did_you_mean(name, names)} (`sslskel list {self.kind}s` shows all)"
            )
        if len(matches) > 1:
            both = " and ".join(match.origin for match in matches)
            raise UsageError(f"two {self.kind}s are called '{name}': {both}; rename or uninstall one of them")
        return matches[0]

    def get(self, name: str) -> T:
        """Import and return the plugin; for a preset, the plugin that it configures.

        Raises ``UsageError`` where it is unknown, ambiguous, broken or of the wrong kind.
        """
        return once((self.kind, "get", name), lambda: self._get(name))

    def installed(self, name: str) -> T | None:
        """The built-in or installed plugin of a name, or an imported set; None where there is none that can be loaded.

        For what a record or a file names: code of a working folder runs for those alone who ask for it by name.
        """
        entries = [
            one for one in self.entries() if one.name == name and one.source in ("built-in", "package", "imported")
        ]
        if len(entries) != 1:
            return None
        try:
            return once((self.kind, "installed", name), lambda: self._load(entries[0]))
        except UsageError:
            return None

    def _get(self, name: str) -> T:
        entry = self.entry(name)
        if entry.source == "preset":
            try:
                plugin = self.entry(self.plugin_of(name))
            except UsageError as fault:
                raise UsageError(f"{self.kind} preset {entry.origin}: {fault}") from fault
            if plugin.source == "preset":
                raise UsageError(
                    f"{self.kind} preset {entry.origin} names '{plain(plugin.name)}', which is a preset itself; name a"
                    " plugin"
                )
            return self.get(plugin.name)
        return self._load(entry)

    def _load(self, entry: Entry) -> T:
        try:
            target = self._import(entry)
        except UsageError:
            raise
        except Exception as fault:
            raise UsageError(
                f"{self.kind} '{entry.name}' ({entry.origin}) cannot be imported: {type(fault).__name__}: {fault}"
            ) from fault
        return self._checked(target, entry)

    def preset(self, name: str) -> Mapping[str, Any]:
        """What a named preset says (``plugin``, ``config``, ``train`` ...); empty for a plugin."""
        return once((self.kind, "preset", name), lambda: self._preset(name))

    def _preset(self, name: str) -> Mapping[str, Any]:
        entry = self.entry(name)
        if entry.source != "preset":
            return {}
        content = self._read_preset(entry)
        if isinstance(content, dict) and "stages" in content:
            return self._as_last_stage(content, entry)
        if not isinstance(content, dict) or not isinstance(content.get("plugin"), str):
            raise UsageError(f"{self.kind} preset {entry.origin} must be a mapping with 'plugin: NAME'")
        return content

    def _as_last_stage(self, content: dict[str, Any], entry: Entry) -> Mapping[str, Any]:
        """A preset of stages reads as one of its last stage, whose encoder is judged."""
        stages = content["stages"]
        well_formed = isinstance(stages, list) and all(
            isinstance(s, dict) and isinstance(s.get("method"), str) for s in stages
        )
        if not well_formed or len(stages) < 2 or "plugin" in content:
            raise UsageError(
                f"{self.kind} preset {entry.origin}: 'stages' must be a list of two or more mappings with"
                " 'method: NAME', and there is no 'plugin' beside it"
            )
        for stage in stages:
            of_stage = self.entry(stage["method"])
            if of_stage.source == "preset" and "stages" in (self._read_preset(of_stage) or {}):
                raise UsageError(f"{self.kind} preset {entry.origin}: stage '{stage['method']}' has stages itself")
        last = stages[-1]
        before = self.preset(last["method"])
        groups = [name for name in ("config", "backbone", "clip", "train") if name in before or name in last]
        merged = {name: {**before.get(name, {}), **(last.get(name) or {})} for name in groups}
        return {**content, **merged, "plugin": self.plugin_of(last["method"])}

    def _read_preset(self, entry: Entry) -> Any:
        return read_yaml(Path(entry.target), f"{self.kind} preset {entry.origin}")

    def plugin_of(self, name: str) -> str:
        """Name of the plugin behind a name: itself, or what its preset configures."""
        return str(self.preset(name).get("plugin", name))

    def _built_in(self) -> Iterator[Entry]:
        for path in _locations(self._folder):
            for module in pkgutil.iter_modules([path]):
                if is_plugin(module.name):
                    file = Path(path) / (module.name if module.ispkg else f"{module.name}.py")
                    yield Entry(module.name, _short(file), f"{self._folder}.{module.name}", "built-in")

    def _installed(self) -> Iterator[Entry]:
        for point in metadata.entry_points(group=self.group):
            dist = f"{point.dist.name} {point.dist.version}" if point.dist else "an unnamed package"
            yield Entry(point.name, f"{dist} ({point.value})", point.value, "package")

    def _local(self) -> Iterator[Entry]:
        for root in local_folders():
            folder = root / f"{self.kind}s"
            packages = [init.parent for init in folder.glob("*/__init__.py")]
            for path in sorted((*folder.glob("*.py"), *packages)):
                if is_plugin(path.stem):
                    yield Entry(path.stem, plain(path), str(path), "local")

    def _sets(self) -> Iterator[Entry]:
        for folder in imported_sets() if self._imported else ():
            yield Entry(folder.name, plain(folder), str(folder), "imported")

    def _preset_entries(self) -> Iterator[Entry]:
        if self._presets:
            package, _, folder = self._presets.rpartition(".")
            for file in folder_files(package, folder, "*.yaml"):
                yield Entry(file.stem, origin_of(file), str(file), "preset")

    def _import(self, entry: Entry) -> Any:
        if entry.source == "local":
            return import_local(Path(entry.target), Path(entry.target).parent.parent)
        if entry.source == "imported":
            module, _, function = self._imported.partition(":")
            return getattr(importlib.import_module(module), function)(Path(entry.target))
        module, _, attribute = entry.target.partition(":")
        target: Any = importlib.import_module(module)
        for part in filter(None, attribute.split(".")):
            target = getattr(target, part)
        return target

    def _checked(self, target: Any, entry: Entry) -> T:
        module, _, attribute = self._base.partition(":")
        base = getattr(importlib.import_module(module), attribute)
        if isinstance(target, ModuleType):
            target = self._from_module(target, base, entry)
        fits = isinstance(target, base) if self._instance else isinstance(target, type) and issubclass(target, base)
        if not fits:
            raise UsageError(f"{self.kind} '{entry.name}' ({entry.origin}) is {target!r}, not a {self._base}")
        plugin: T = target
        return plugin

    def _from_module(self, module: ModuleType, base: type, entry: Entry) -> Any:
        if self._instance:
            if not hasattr(module, self._instance):
                raise UsageError(f"{self.kind} '{entry.name}' ({entry.origin}) defines no {self._instance}")
            return getattr(module, self._instance)
        classes = [
            value
            for name, value in vars(module).items()
            if isinstance(value, type)
            and issubclass(value, base)
            and f"{value.__module__}.".startswith(f"{module.__name__}.")
            and not name.startswith("_")
        ]
        if len(classes) != 1:
            raise UsageError(
                f"{self.kind} '{entry.name}' ({entry.origin}) must define exactly one public subclass of"
                f" {base.__name__}; it defines {len(classes)}"
            )
        return classes[0]


def is_plugin(name: str) -> bool:
    """Whether a module or package of a plugin folder is a plugin: all are, but ``common`` and private ones."""
    return name != COMMON and not name.startswith("_")


def folder_files(package: str, folder: str, pattern: str) -> list[Path]:
    """Files in a folder of an installed package and of the local plugin folders, sorted by name."""
    roots = [*map(Path, _locations(package)), *(root / package.rpartition(".")[2] for root in local_folders())]
    return [file for root in roots for file in sorted((root / folder).glob(pattern))]


def config_files(kind: str) -> list[Path]:
    """The YAML files of presets, tables and the like, of sslskel and of local folders; two may have one name."""
    return folder_files("sslskel.configs", kind, "*.yaml")


def config_names(kind: str) -> list[str]:
    """Names of the presets, tables and the like that there are, sorted."""
    return sorted({file.stem for file in config_files(kind)})


def only_file(kind: str, name: str) -> Path:
    """The YAML file of a name; raises ``UsageError`` where none or several files of the kind have it."""
    files = config_files(kind)
    own = [file for file in files if file.stem == name]
    if not own:
        names = config_names(kind)
        raise UsageError(f"there is no {kind} '{name}'{did_you_mean(name, names)} (there are: {', '.join(names)})")
    if len(own) > 1:
        both = " and ".join(map(origin_of, own))
        raise UsageError(f"{len(own)} {kind}s are called '{name}': {both}; rename all but one of them")
    return own[0]


def origin_of(file: Path) -> str:
    """A file as people name it: whole where it is local, else from the checkout or the installed package on."""
    return plain(file) if any(file.is_relative_to(root) for root in local_folders()) else _short(file)


def _locations(package: str) -> list[str]:
    spec = importlib.util.find_spec(package)
    return list(spec.submodule_search_locations or []) if spec else []


def _short(path: Path) -> str:
    """A file as people name it: from the checkout or the installed package on."""
    parts = path.parts
    for anchor in ("methods", "benchmarks", "backbones", "protocols", "configs"):
        if anchor in parts:
            at = len(parts) - 1 - parts[::-1].index(anchor)
            return plain("/".join(parts[at:]))
    return plain(path)


METHODS: Registry[type[PretextMethod]] = Registry(
    "method", "sslskel.methods", "sslskel.api.method:PretextMethod", presets="sslskel.configs.method"
)
BACKBONES: Registry[type[Backbone]] = Registry("backbone", "sslskel.backbones", "sslskel.api.backbone:Backbone")
PROTOCOLS: Registry[type[EvaluationProtocol]] = Registry(
    "protocol", "sslskel.protocols", "sslskel.api.protocol:EvaluationProtocol", presets="sslskel.configs.protocol"
)
BENCHMARKS: Registry[Benchmark] = Registry(
    "benchmark",
    "sslskel.benchmarks",
    "sslskel.api.benchmark:Benchmark",
    instance="BENCHMARK",
    imported="sslskel.data.own.imported_benchmark:read_benchmark",
)
REGISTRIES: dict[str, Registry[type | Benchmark]] = {
    "methods": METHODS,
    "backbones": BACKBONES,
    "benchmarks": BENCHMARKS,
    "protocols": PROTOCOLS,
}
