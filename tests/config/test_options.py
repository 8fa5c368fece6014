"""What is said of an option is what its author wrote: type, choices, and the string below it."""

from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass
from enum import Enum

import pytest

from sslskel.config.compose import compose
from sslskel.config.groups import COMMON
from sslskel.config.options import options_of
from sslskel.plugins.registry import REGISTRIES


class Shape(Enum):
    """How it ends."""

    round = "round"
    flat = "flat"
    """Cut across."""


class Colour(Enum):
    red = "red"
    blue = "blue"


@dataclass
class Base:
    width: int = 3
    """Numbers of
    a feature."""
    colour: Colour = Colour.red


@dataclass
class Own(Base):
    share: float = 0.5
    """In [0, 1]."""
    names: list[str] = field(default_factory=list)
    limit: float | None = None
    shape: Shape = Shape.round
    width: int = 4


def test_types_choices_and_meanings_are_those_of_the_source() -> None:
    said = {one.name: (one.kind, one.default, one.meaning) for one in options_of(Own, {"share": 0.25})}
    assert said == {
        "width": ("whole number", 4, "Numbers of a feature."),
        "colour": ("one of: red, blue", "red", ""),
        "share": ("number", 0.25, "In [0, 1]."),
        "names": ("list of text", [], ""),
        "limit": ("number or none", None, ""),
        "shape": ("one of: round, flat", "round", "How it ends. flat: Cut across."),
    }


def test_a_class_without_a_source_has_options_without_meanings() -> None:
    made = make_dataclass("Made", [("deep", bool, field(default=True))])
    [option] = options_of(made)
    assert (option.name, option.kind, option.default, option.meaning) == ("deep", "true or false", True, "")


@pytest.mark.parametrize("kind", ["methods", "backbones", "protocols"])
def test_every_option_of_a_built_in_plugin_says_what_it_means(kind: str) -> None:
    registry = REGISTRIES[kind]
    configs = {name: registry.get(name).Config for name in registry.names()}
    assert [f"{n}.{one.name}" for n, config in configs.items() for one in options_of(config) if not one.meaning] == []
    assert all(one.kind for config in configs.values() for one in options_of(config))


def test_every_option_of_all_runs_says_what_it_means() -> None:
    assert [f"{group}.{o.name}" for group, made in COMMON.items() for o in options_of(made) if not o.meaning] == []


def test_settings_say_what_set_them() -> None:
    made = compose(
        "mamp",
        backbone="transformer",
        preset="quick",
        protocol="scratch",
        overrides=["method.tau=0.5", "train.lr=1e-4"],
    )
    set_by = {name: (value, source) for name, value, source in made.settings()}
    assert set_by["method.tau"] == (0.5, "the command")
    assert set_by["train.lr"] == (0.0001, "the command")
    assert set_by["backbone.dim"] == (64, "preset 'quick'")
    assert set_by["protocol.start"] == ("scratch", "protocol preset 'scratch'")
    assert set_by["train.decay"] == (0.1, "default")
    assert {name.partition(".")[0] for name in set_by} == {"method", "backbone", "clip", "train", "engine", "protocol"}
    again = compose("mamp", backbone="transformer", preset="quick", protocol="scratch")
    assert made != again
    assert again == compose("mamp", backbone="transformer", preset="quick", protocol="scratch")
    assert "sources" not in made.plain()
