"""What a plugin's own code raises, as a sentence that names the plugin, its file and line."""

from __future__ import annotations

import contextlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from sslskel.errors import PluginError, SslskelError
from sslskel.plugins.registry import Registry
from sslskel.text import plain

Plugin = TypeVar("Plugin")
Code = type | Callable[..., object]
"""What a plugin's own code is known by: its class, or a function of its file."""


def construct(registry: Registry[type[Plugin]], name: str, *arguments: object) -> Plugin:
    """A plugin of a name made with what its constructor takes. Raises ``PluginError`` as :func:`own_code`."""
    plugin = registry.get(name)
    with own_code(f"{registry.kind} '{name}'", plugin):
        return plugin(*arguments)


@contextlib.contextmanager
def own_code(what: str, plugin: Code) -> Iterator[None]:
    """Raise ``PluginError`` for any error that is not foreseen; ``what`` names the plugin, as in ``method 'mine'``.

    The error itself stays as its cause.
    """
    try:
        yield
    except SslskelError:
        raise
    except Exception as fault:
        raise PluginError(of_own_code(what, plugin, fault)) from fault


def of_own_code(what: str, plugin: Code, fault: BaseException) -> str:
    """The sentence for an error of a plugin's own code."""
    return f"{what} fails in its own code, {line_of(fault, plugin) or _beginning(plugin)}: {reason_of(fault)}"


def reason_of(fault: BaseException) -> str:
    """Type and text of an error."""
    return plain(f"{type(fault).__name__}: {fault}" if str(fault) else type(fault).__name__)


def line_of(fault: BaseException, plugin: Code) -> str:
    """File and line of a plugin that led to an error; empty where it had no part in it."""
    depth = depth_of(fault, plugin)
    if depth < 0:
        return ""
    frame = traceback.extract_tb(fault.__traceback__)[depth]
    return f"{plain(frame.filename)}, line {frame.lineno}"


def depth_of(fault: BaseException, plugin: Code) -> int:
    """How many calls lead to the innermost line of a plugin in an error's traceback; -1 where there is none."""
    file = _file(plugin)
    if file is None:
        return -1
    names = [Path(frame.filename) for frame in traceback.extract_tb(fault.__traceback__)]
    own = [name == file or (file.name == "__init__.py" and file.parent in name.parents) for name in names]
    return max((depth for depth, inside in enumerate(own) if inside), default=-1)


def _beginning(plugin: Code) -> str:
    """Where a plugin's class or function begins."""
    file = _file(plugin)
    if file is None:
        return plugin.__module__
    with contextlib.suppress(OSError, TypeError):
        return f"{plain(file)}, line {inspect.getsourcelines(plugin)[1]}"
    return plain(file)


def _file(plugin: Code) -> Path | None:
    source = getattr(sys.modules.get(plugin.__module__), "__file__", None)
    return None if source is None else Path(source)
