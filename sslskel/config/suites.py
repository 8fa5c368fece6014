"""Suites: which benchmarks, protocols, preset and seeds methods are compared on. One YAML file each, in sslskel and in
the local plugin folders, so that anybody can publish one.

What is run for a suite is for ``sslskel.grid.suite``, its board for ``sslskel.leaderboard.suite``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from sslskel.config.interpolation import refuse_interpolations
from sslskel.errors import UsageError, did_you_mean
from sslskel.plugins.registry import config_names, only_file
from sslskel.plugins.yaml_file import read_yaml

PRETRAINING = (
    *("clip.body=common", "clip.fps=30", "clip.centre=first"),
    *("clip.align_root=true", "clip.align_heading=true", "clip.align_size=true"),
)
"""Overrides under which a suite's datasets are trained on together, where its file has no others."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """What a suite fixes; methods are what it leaves open."""

    name: str
    title: str
    version: int
    """Rises with whatever changes a number or a rank."""
    preset: str
    seeds: int
    """Pretrainings of each method: seeds 0, 1 and so on."""
    protocols: tuple[str, ...]
    """The first one ranks."""
    tasks: Mapping[str, tuple[str, ...]]
    """What a group of benchmarks judges, and the group, each benchmark as ``NAME/SPLIT``."""
    floors: tuple[str, ...]
    """Methods without pretraining that every board of the suite shows."""
    ranking: tuple[str, ...] = ()
    """Benchmarks that count into means over all, ranks and intervals; every one where none is named."""
    untrained: tuple[str, ...] = ()
    """Overrides under which a method learns nothing; what it gains over that is shown. Empty: no gain is shown."""
    pretraining: tuple[str, ...] = PRETRAINING
    """Overrides of pretraining on the datasets of the suite together."""
    references: Mapping[str, str] = field(default_factory=dict)
    """Supervised protocol -> method: what labels alone give, beside the board and never ranked."""

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys(place for group in self.tasks.values() for place in group))

    @property
    def judged(self) -> tuple[str, ...]:
        """Protocols of the board, then those of its references."""
        return (*self.protocols, *self.references)

    @property
    def ranked(self) -> tuple[str, ...]:
        """Those that count into ranks."""
        return self.ranking or self.benchmarks

    @property
    def words(self) -> str:
        """Name and version, as boards state them."""
        return f"{self.name}, version {self.version}"


def suites() -> list[str]:
    """Names of the suites."""
    return config_names("suite")


def read_suite(name: str) -> Suite:
    """A suite by name; raises ``UsageError`` for one that is unknown or not as it should be."""
    file = only_file("suite", name)
    content = read_yaml(file, f"suite {file}")
    refuse_interpolations(content, f"suite {file}")
    try:
        return _made(name, content)
    except ValueError as fault:
        raise UsageError(f"suite {file}: {fault}") from fault


def _made(name: str, content: Any) -> Suite:
    """Raises ``ValueError`` in words."""
    known = [one.name for one in fields(Suite) if one.name != "name"]
    if not isinstance(content, dict):
        raise ValueError(f"it must be a mapping of {', '.join(known)}")
    for key in content:
        if key not in known:
            raise ValueError(f"there is no key '{key}'{did_you_mean(str(key), known)} (there are: {', '.join(known)})")
    tasks = content.get("tasks")
    if not isinstance(tasks, dict) or not tasks:
        raise ValueError(f"tasks is {tasks!r}; give a mapping from what is judged to a list of NAME/SPLIT")
    suite = Suite(
        name=name,
        title=_text(content, "title"),
        version=_count(content, "version"),
        preset=_text(content, "preset"),
        seeds=_count(content, "seeds"),
        protocols=_names(content, "protocols"),
        tasks={str(task): _places(tasks, task) for task in tasks},
        ranking=_places(content, "ranking") if "ranking" in content else (),
        floors=_names(content, "floors"),
        untrained=_names(content, "untrained") if "untrained" in content else (),
        pretraining=_names(content, "pretraining") if "pretraining" in content else PRETRAINING,
        references=_references(content),
    )
    strange = [place for place in suite.ranking if place not in suite.benchmarks]
    if strange:
        raise ValueError(f"ranking names {', '.join(strange)}, which no task has")
    return suite


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{key} is {value!r}; give a text")
    return value


def _count(content: Mapping[str, Any], key: str) -> int:
    value = content.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{key} is {value!r}; give a whole number from 1 on")
    return value


def _names(content: Mapping[Any, Any], key: Any) -> tuple[str, ...]:
    value = content.get(key)
    if not isinstance(value, list) or not value or not all(isinstance(one, str) and one for one in value):
        raise ValueError(f"{key} is {value!r}; give a list of names")
    if len(set(value)) < len(value):
        raise ValueError(f"{key} names something twice: {', '.join(value)}")
    return tuple(value)


def _references(content: Mapping[str, Any]) -> dict[str, str]:
    value = content.get("references", {})
    if not isinstance(value, dict) or not all(isinstance(one, str) and one for pair in value.items() for one in pair):
        raise ValueError(f"references is {value!r}; give a mapping from a protocol to the method that it trains")
    twice = [protocol for protocol in value if protocol in content["protocols"]]
    if twice:
        raise ValueError(f"references names {', '.join(twice)}, which protocols has; a reference is not ranked")
    return value


def _places(content: Mapping[Any, Any], key: Any) -> tuple[str, ...]:
    places: Sequence[str] = _names(content, key)
    for place in places:
        name, slash, split = place.partition("/")
        if not (name and slash and split):
            raise ValueError(f"{key} names '{place}'; give each benchmark with its split, as NAME/SPLIT")
    return tuple(places)
