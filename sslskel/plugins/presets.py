"""Presets of a whole run: one YAML file each, in sslskel and in the local plugin folders.

What the groups in it mean is for ``sslskel.config.compose``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sslskel.errors import UsageError
from sslskel.plugins.registry import config_names, once, only_file
from sslskel.plugins.yaml_file import read_yaml


def presets() -> list[str]:
    """Their names."""
    return config_names("preset")


def read_preset(name: str) -> Mapping[str, Any]:
    """What a preset says, by configuration group; ``UsageError`` where it is unknown, ambiguous or unreadable."""
    return once(("preset", name), lambda: _read_preset(name))


def _read_preset(name: str) -> Mapping[str, Any]:
    file = only_file("preset", name)
    content = read_yaml(file, f"preset {file}")
    if not isinstance(content, dict):
        raise UsageError(f"preset {file} must be a mapping of configuration groups")
    return content
