"""Local plugin folders as packages, so that plugins of one folder can share code: ``from ._kmeans import kmeans``.

The folder of the working directory is the package ``sslskel_plugins``; each folder of ``SSLSKEL_PLUGINS`` has a name
of its own. A folder of which a loaded file was edited is loaded again. Imports nothing heavy.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from sslskel.paths import user_path, working_folder

LOCAL_FOLDER = "sslskel_plugins"
"""Folder of plugins that is found from the working directory; ``SSLSKEL_PLUGINS`` names more."""
SWITCH = "SSLSKEL_LOCAL_PLUGINS"
"""Environment variable that is ``0`` where the working directory's own folder is not to be looked at."""

_loaded: dict[str, tuple[Path, tuple[int, int], str]] = {}
"""Of each module: its file, and that file's time, size and sha256 when it was read."""


def local_folders() -> list[Path]:
    """Folders of local plugins that exist: in the working directory, then those of ``SSLSKEL_PLUGINS``."""
    named = [user_path(part) for part in os.environ.get("SSLSKEL_PLUGINS", "").split(os.pathsep) if part]
    own = [] if os.environ.get(SWITCH) == "0" else [working_folder() / LOCAL_FOLDER]
    unique = dict.fromkeys(path.resolve() for path in [*own, *named])
    return [path for path in unique if path.is_dir()]


def import_local(file: Path, root: Path) -> ModuleType:
    """The module of a plugin's file, a path below ``root``. Raises whatever the file raises."""
    package = _package_of(root)
    if not _is_current(package, root):
        for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
            del sys.modules[name]
            _loaded.pop(name, None)
    return importlib.import_module(".".join((package, *file.relative_to(root).with_suffix("").parts)))


def install() -> None:
    """Let ``import`` find local plugin folders, as a new process needs that is handed something made in them."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def _package_of(root: Path) -> str:
    if root == (working_folder() / LOCAL_FOLDER).resolve():
        return LOCAL_FOLDER
    return f"{LOCAL_FOLDER}_{hashlib.sha256(os.fsencode(root)).hexdigest()[:8]}"


def _is_current(package: str, root: Path) -> bool:
    """Whether what is loaded of a folder is what lies there now."""
    module = sys.modules.get(package)
    if module is not None and list(getattr(module, "__path__", ())) != [str(root)]:
        return False
    prefix = f"{package}."
    return not any(name in sys.modules and _edited(name) for name in list(_loaded) if name.startswith(prefix))


def _edited(name: str) -> bool:
    path, stamp, sha256 = _loaded[name]
    try:
        if _stamp(path) == stamp:
            return False
        return hashlib.sha256(path.read_bytes()).hexdigest() != sha256
    except OSError:
        return True


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


class _Loader(SourceFileLoader):
    """Compiles the file as it is: compiled code on disk is known by seconds, in which a file is edited and run."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        stamp, source = _stamp(Path(path)), self.get_data(path)
        _loaded[fullname] = Path(path), stamp, hashlib.sha256(source).hexdigest()
        code: CodeType = self.source_to_code(source, path)
        return code


class _Finder:
    """Finds the packages of local folders, and what lies in them."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """As :meth:`importlib.abc.MetaPathFinder.find_spec`."""
        if not fullname.startswith(LOCAL_FOLDER):
            return None
        top, _, rest = fullname.partition(".")
        root = next((root for root in local_folders() if _package_of(root) == top), None)
        if root is None:
            return None
        if not rest:
            return _folder(fullname, root)
        for folder in path or ():
            spec = FileFinder(folder, (_Loader, [".py"])).find_spec(fullname)
            if spec is not None and spec.loader is None:
                return _folder(fullname, Path(folder) / fullname.rpartition(".")[2])
            if spec is not None:
                return spec
        return None


def _folder(name: str, path: Path) -> ModuleSpec:
    """A package without code of its own: what its ``__init__.py`` would run belongs to no plugin."""
    init = path / "__init__.py"
    loader = _Loader(name, str(init)) if init.is_file() else None
    spec = ModuleSpec(name, loader, is_package=True)
    spec.submodule_search_locations = [str(path)]
    if loader is not None:
        spec.origin, spec.has_location = str(init), True
    return spec


install()
