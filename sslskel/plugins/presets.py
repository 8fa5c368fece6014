"""Presets of a whole run: one YAML file each, in sslskel and in the local plugin folders.

What the groups in it mean is for ``sslskel.config.compose``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sslskel.errors import UsageError, did_you_mean
from sslskel.plugins.registry import folder_files, once
from sslskel.plugins.yaml_file import read_yaml


def presets() -> dict[str, Path]:
    """Names of the presets and their files."""
    return {file.stem: file for file in folder_files("sslskel.configs", "preset", "*.yaml")}


def read_preset(name: str) -> Mapping[str, Any]:
    """What a preset says, by configuration group; raises ``UsageError`` for an unknown or unreadable one."""
    return once(("preset", name), lambda: _read_preset(name))


def _read_preset(name: str) -> Mapping[str, Any]:
    known = presets()
    if name not in known:
        raise UsageError(f"there is no preset '{name}'{did_you_mean(name, known)} (there are: {', '.join(known)})")
    content = read_yaml(known[name], f"preset {known[name]}")
    if not isinstance(content, dict):
        raise UsageError(f"preset {known[name]} must be a mapping of configuration groups")
    return content
