"""Finds the errata of systems by the names of their modules; only :func:`errata_of` imports one."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from dataclasses import replace

from sslskel.api.erratum import Errata, Shown
from sslskel.errors import UsageError, did_you_mean
from sslskel.plugins.registry import METHODS

FOLDER = "sslskel.methods.common.errata"
"""The package that has a module for each system."""


def errata_names() -> list[str]:
    """Systems that have errata, sorted."""
    spec = importlib.util.find_spec(FOLDER)
    return sorted(module.name for module in pkgutil.iter_modules(spec.submodule_search_locations if spec else None))


def errata_of(name: str) -> Errata:
    """The errata of a system, or of ``SYSTEM/ENTRY`` that one alone; ``UsageError`` where there is none."""
    system, _, wanted = name.partition("/")
    names = errata_names()
    if system not in names and system in METHODS.names():
        raise UsageError(f"no errata are known of '{system}' (`sslskel errata` lists those of all systems)")
    if system not in names:
        raise UsageError(f"there are no errata of '{system}'{did_you_mean(system, names)} (`sslskel errata` lists all)")
    errata: Errata = importlib.import_module(f"{FOLDER}.{system}").ERRATA
    entries = tuple(entry for entry in errata.entries if wanted in ("", entry.name))
    if not entries:
        known = [entry.name for entry in errata.entries]
        raise UsageError(
            f"'{system}' has no entry '{wanted}'{did_you_mean(wanted, known)} (there are: {', '.join(known)})"
        )
    return replace(errata, entries=entries)


def written(shown: Shown, digits: int) -> list[str]:
    """A line for each number of a demonstration, with so many digits."""
    return [f"{words}: {value if isinstance(value, str) else f'{value:.{digits}g}'}" for words, value in shown.items()]
