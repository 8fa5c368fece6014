"""What a plugin's own code raises, as a sentence that names the plugin, its file and line."""

from __future__ import annotations

import contextlib
import inspect
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from sslskel.errors import PluginError, SslskelError
from sslskel.plugins.registry import Registry
from sslskel.text import plain

Plugin = TypeVar("Plugin")


def construct(registry: Registry[type[Plugin]], name: str, *arguments: object) -> Plugin:
    """A plugin of a name made with what its constructor takes. Raises ``PluginError`` as :func:`own_code`."""
    plugin = registry.get(name)
    with own_code(f"{registry.kind} '{name}'", plugin):
        return plugin(*arguments)


@contextlib.contextmanager
def own_code(what: str, plugin: type) -> Iterator[None]:
    """Raise ``PluginError`` for any error that is not foreseen; ``what`` names the plugin, as in ``method 'mine'``.

    The error itself stays as its cause.
    """
    try:
        yield
    except SslskelError:
        raise
    except Exception as fault:
        reason = plain(f"{type(fault).__name__}: {fault}" if str(fault) else type(fault).__name__)
        raise PluginError(f"{what} fails in its own code, {_place(fault, plugin)}: {reason}") from fault


def _place(fault: Exception, plugin: type) -> str:
    """File and line of the plugin that led to an error, or where its class begins if none did."""
    source = getattr(sys.modules.get(plugin.__module__), "__file__", None)
    if source is None:
        return plugin.__module__
    file = Path(source)
    for frame in reversed(traceback.extract_tb(fault.__traceback__)):
        if Path(frame.filename) == file or (file.name == "__init__.py" and file.parent in Path(frame.filename).parents):
            return f"{plain(frame.filename)}, line {frame.lineno}"
    with contextlib.suppress(OSError, TypeError):
        return f"{plain(file)}, line {inspect.getsourcelines(plugin)[1]}"
    return plain(file)
