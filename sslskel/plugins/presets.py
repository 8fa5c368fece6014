"""Presets of a whole run: one YAML file each, in sslskel and in the local plugin folders.

What the groups in it mean is for ``sslskel.config.compose``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sslskel.errors import UsageError
from sslskel.plugins.registry import config_names, once, only_file
from sslskel.plugins.yaml_file import read_yaml

GROUPS = {
    **dict.fromkeys(("clip", "train", "engine"), 1),
    **dict.fromkeys(("backbone", "method", "protocol"), 2),
    "recipe": 3,
    "benchmark": 4,
}
"""What a preset may say of options, and how many levels of mappings deep."""


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
    for group in GROUPS:
        _require_mappings(content.get(group, {}), GROUPS[group], group, f"preset {file}")
    return content


def _require_mappings(content: object, levels: int, name: str, where: str) -> None:
    """Raise ``UsageError`` where something that many levels deep is no mapping."""
    if not isinstance(content, dict):
        raise UsageError(f"{where}: '{name}' is {content!r:.40}, where a mapping was expected")
    for key, inner in content.items() if levels > 1 else ():
        _require_mappings(inner, levels - 1, f"{name}.{key}", where)
