"""Names of recipes and what a run changes about them, for records and boards.

A recipe is a YAML file ``configs/protocol/NAME.yaml``; its ``config.recipe`` is the name
under which it is recorded.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import Field, fields
from enum import Enum
from typing import Any, ClassVar, Protocol, TypeVar

from sslskel.config.compose import from_plain
from sslskel.errors import UsageError
from sslskel.plugins.registry import PROTOCOLS


class Recipe(Protocol):
    """Options of a protocol, a dataclass, that are named after a recipe."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    recipe: str


R = TypeVar("R", bound=Recipe)


def recipe_label(plugin: str, config: Recipe, unsaid: Collection[str]) -> str:
    """``config.recipe`` and every field in which ``config`` differs from that recipe, but for ``unsaid``.

    A name that is not a recipe of the protocol ``plugin`` is compared with its defaults.
    """
    base = _known(plugin, type(config), config.recipe)
    changed = [
        f"{f.name}={_word(getattr(config, f.name))}"
        for f in fields(config)
        if f.name not in {"recipe", *unsaid} and getattr(config, f.name) != getattr(base, f.name)
    ]
    return f"{config.recipe} ({', '.join(changed)})" if changed else config.recipe


def _known(plugin: str, config_class: type[R], recipe: str) -> R:
    for entry in PROTOCOLS.entries():
        if entry.source != "preset":
            continue
        try:
            content = PROTOCOLS.preset(entry.name)
            if content["plugin"] == plugin and content.get("config", {}).get("recipe") == recipe:
                return from_plain(config_class, content["config"], f"protocol preset '{entry.name}'")
        except UsageError:
            # A recipe that cannot be read is an error of its own name alone.
            continue
    return config_class()


def _word(value: object) -> object:
    return value.value if isinstance(value, Enum) else value
