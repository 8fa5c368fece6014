"""Composes a run's configuration: dataclass defaults, recipes, presets, overrides, in that order.

Hydra parses and applies the overrides; the groups' dataclasses hold every default and
check themselves. Nothing here knows a method, a dataset or a device.
"""

from __future__ import annotations

import copy
import re
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from sslskel.config.faults import in_words, one_line
from sslskel.config.groups import Chosen, ClipConfig, EngineConfig, TrainConfig
from sslskel.config.interpolation import refuse_interpolations
from sslskel.config.overrides import overridden
from sslskel.errors import UsageError
from sslskel.plugins.own_code import own_code
from sslskel.plugins.presets import read_preset
from sslskel.plugins.registry import BACKBONES, METHODS, PROTOCOLS

if TYPE_CHECKING:
    from sslskel.api.method import PretextMethod

ConfigT = TypeVar("ConfigT")

UNHASHED = {
    "train": frozenset({"checkpoint_epochs", "keep_checkpoints", "probe", "probe_epochs"}),
    "engine": frozenset(
        {"device", "threads", "compile", "deterministic", "tensorboard", "track", "log_every", "cache_features"}
    ),
    "protocol": frozenset({"encode_batch", "block"}),
}
"""Fields that are recorded but do not affect results, so they are not part of a run's identity.

In ``protocol`` they are names that mean the same in every protocol: how many clips are
encoded or compared at a time. What watches a training shapes it where it chooses the epoch: see :func:`shaping`.
"""
WATCHING = ("probe", "probe_epochs")
"""Of ``train``: how a training is watched."""


LATER: Mapping[str, Mapping[str, Any]] = {"train": {"also": []}, "protocol": {"optimiser": "sgd", "level": ""}}
"""Options that came after records had been made, and what they were before: left out at that, so identities stay."""
ALWAYS: Mapping[str, Mapping[str, str]] = {"protocol": {"optimiser": "layer_decay"}}
"""Of ``LATER``: an option beside which they were something else before, so that they are never left out."""


UNSAID: Mapping[str, Mapping[str, Any]] = {
    "clip": {
        "body": "stored",
        "fps": 0.0,
        "align_root": False,
        "align_heading": False,
        "align_size": False,
        "sampling": "crop",
        "test_views": 1,
        "test_mirrored": False,
    },
    "train": {
        "weight_decay_course": "constant",
        "weight_decay_end": 0.0,
        "stop_after": 0,
        "suite": "",
        "probe": "",
        "probe_epochs": 10,
        "selection": "last",
    },
    "protocol": {"encoder_dropout": False},
    "engine": {"track": []},
}
"""Options that came later still: at these values no record, checkpoint or identity has them.

Those of a plugin are in ``unsaid`` of its ``Config``, a ``ClassVar`` with plain values by name.
"""


def spoken(group: str, values: Mapping[str, Any], own: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """The options of a group that say something a reader of older files does not know; ``own`` as ``unsaid``."""
    silent = {**UNSAID.get(group, {}), **own}
    return {name: value for name, value in values.items() if name not in silent or value != silent[name]}


def shaping(group: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a group that shape numbers."""
    always = {name for name, beside in ALWAYS.get(group, {}).items() if beside in values}
    silent = {name for name, before in LATER.get(group, {}).items() if values.get(name) == before} - always
    silent |= UNHASHED.get(group, frozenset()) - (set(WATCHING) if chosen_by_probe(group, values) else set())
    return {name: value for name, value in values.items() if name not in silent}


def chosen_by_probe(group: str, values: Mapping[str, Any]) -> bool:
    """Whether these are options of a training whose epoch a probe chooses."""
    return group == "train" and values.get("selection", Chosen.last.value) == Chosen.probe.value


COMMAND = "the command"
"""What set an option that was given on the command line, in Python, or by a flag, suite or table."""
_PLAIN: dict[int, tuple[Any, dict[str, dict[str, Any]]]] = {}
"""Plain data of each configuration alive, by its id; all seeds of a grid share one."""


@dataclass(frozen=True)
class Resolved:
    """The checked configuration objects of one run; those of plugins are instances of their ``Config``."""

    method: object
    backbone: object
    clip: ClipConfig
    train: TrainConfig
    engine: EngineConfig
    protocol: object | None = None
    sources: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """``group.key`` of what is no default -> what set it."""

    def groups(self) -> dict[str, object]:
        """The configuration objects by group; no protocol where nothing is judged."""
        named = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "sources"}
        return {name: value for name, value in named.items() if value is not None}

    def settings(self) -> list[tuple[str, object, str]]:
        """Name (``group.key``), value and source of every option, in the order of their dataclasses."""
        plain = {group: to_plain(made) for group, made in self.groups().items()}
        every = [(f"{group}.{key}", value) for group, values in plain.items() for key, value in values.items()]
        return [(name, value, self.sources.get(name, "default")) for name, value in every]

    def plain(self) -> dict[str, dict[str, Any]]:
        """Every group as plain data, enums by name; what a record and a checkpoint keep."""
        key = id(self)
        kept = _PLAIN.get(key)
        if kept is None or kept[0]() is not self:
            made = {
                name: spoken(name, to_plain(value), getattr(value, "unsaid", {}))
                for name, value in self.groups().items()
            }
            kept = _PLAIN[key] = (weakref.ref(self, lambda _: _PLAIN.pop(key, None)), made)
        return copy.deepcopy(kept[1])


def to_plain(config: object) -> dict[str, Any]:
    """A configuration dataclass as JSON data."""
    from omegaconf import OmegaConf

    plain: dict[str, Any] = OmegaConf.to_container(OmegaConf.structured(config), enum_to_str=True)  # type: ignore[assignment]
    return plain


def from_plain(config_class: type[ConfigT], plain: Mapping[str, object], what: str) -> ConfigT:
    """Rebuild a configuration from JSON data; ``UsageError`` names a field that does not fit."""
    from omegaconf import OmegaConf

    if not isinstance(plain, Mapping):
        raise UsageError(f"{what} is {plain!r:.60}, where options by name were expected")
    refuse_interpolations(dict(plain), what)
    with in_words(f"{what}: "):
        node = OmegaConf.merge(_node(config_class, what), dict(plain))
    return _made(node, config_class, f"{what}: ")


def _layers(
    method: str,
    backbone: str,
    protocol: str | None,
    preset: str,
    recipe: Mapping[str, Any],
    stage: Mapping[str, Mapping[str, object]],
    benchmarks: tuple[str, str],
) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """What overrides the defaults, weakest first, each with a name for error messages."""
    plugin = METHODS.plugin_of(method)
    # Options of a method's own backbone mean nothing to another one.
    foreign = {"backbone"} if backbone != METHODS.get(method).default_backbone else set()
    released = METHODS.get(method).recipe
    yield f"the recipe of method '{plugin}'", {key: released[key] for key in released if key not in foreign}
    named = dict(METHODS.preset(method))
    if named:
        named["method"] = named.pop("config", {})
        groups = ("method", "backbone", "clip", "train", "protocol")
        yield f"method preset '{method}'", {key: named[key] for key in groups if key in named and key not in foreign}
    if protocol is not None and (content := PROTOCOLS.preset(protocol)):
        yield f"protocol preset '{protocol}'", {"protocol": content.get("config", {})}
    yield "the recipe of the benchmark", recipe
    yield from _preset_layers(METHODS.get(method), plugin, backbone, protocol, preset, foreign)
    yield from _dataset_layers(method, protocol, preset, foreign, benchmarks)
    yield f"the stage of method '{method}'", stage


def _preset_layers(
    of_method: type[PretextMethod], plugin: str, backbone: str, protocol: str | None, preset: str, foreign: set[str]
) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """A preset, weakest first: for all, then for the network and the protocol, then for the method.

    Plugins bring options of their own; what the preset's file says of a plugin wins over them.
    """
    content, judge = read_preset(preset), protocol and PROTOCOLS.plugin_of(protocol)

    def of_file(group: str, name: str | None) -> Mapping[str, Any]:
        return {group: content[group][name]} if name in content.get(group, {}) else {}

    yield f"preset '{preset}'", {key: content[key] for key in ("clip", "train", "engine") if key in content}
    brought = BACKBONES.get(backbone).presets.get(preset, {})
    yield f"preset '{preset}' of backbone '{backbone}'", {"backbone": brought}
    if judge:
        yield f"preset '{preset}' of protocol '{judge}'", {"protocol": PROTOCOLS.get(judge).presets.get(preset, {})}
    yield f"preset '{preset}'", {**of_file("backbone", backbone), **of_file("protocol", judge)}
    if protocol != judge:
        yield f"preset '{preset}' for protocol '{protocol}'", of_file("protocol", protocol)
    own = of_method.presets.get(preset, {})
    yield f"preset '{preset}' of method '{plugin}'", {key: own[key] for key in own if key not in foreign}
    yield f"preset '{preset}'", of_file("method", plugin)
    recipe = content.get("recipe", {}).get(plugin, {})
    yield f"preset '{preset}' for method '{plugin}'", {key: recipe[key] for key in recipe if key not in foreign}


def _dataset_layers(
    method: str, protocol: str | None, preset: str, foreign: set[str], benchmarks: tuple[str, str]
) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """What a preset changes for a method on one benchmark, and for a protocol on one.

    Both go by the name that was asked for: a method preset of somebody's own is not the paper's recipe.
    """
    known = read_preset(preset).get("benchmark", {})
    (home, at_home), (judged_on, at_judge) = ((name, known.get(name, {})) for name in benchmarks)
    own = at_home.get("method", {}).get(method, {})
    yield f"preset '{preset}' for method '{method}' on '{home}'", {key: own[key] for key in own if key not in foreign}
    options = at_judge.get("protocol", {}).get(protocol, {})
    yield f"preset '{preset}' for protocol '{protocol}' on '{judged_on}'", {"protocol": options}


def compose(
    method: str,
    *,
    backbone: str,
    preset: str,
    protocol: str | None = None,
    recipe: Mapping[str, Any] = MappingProxyType({}),
    overrides: Sequence[str] = (),
    stage: Mapping[str, Mapping[str, object]] = MappingProxyType({}),
    benchmarks: tuple[str, str] = ("", ""),
) -> Resolved:
    """Compose and check one run's configuration.

    ``recipe`` is what the benchmark's clips need (``Benchmark.recipe``), ``stage`` what makes one of
    several pretrainings differ from the others. ``benchmarks`` are those of pretraining and of judging, for which
    a preset may have recipes of its own.
    ``overrides`` are ``group.key=value`` in Hydra's grammar. Raises ``UsageError`` in one
    sentence for an unknown name or key, a wrong type or a value out of range.
    """
    from omegaconf import OmegaConf

    base = _schemas(method, backbone, protocol)
    node = OmegaConf.create({name: _node(schema, f"the options of group '{name}'") for name, schema in base.items()})
    layers = list(_layers(method, backbone, protocol, preset, recipe, stage, benchmarks))
    for source, layer in layers:
        refuse_interpolations(dict(layer), source)
        with in_words(f"{source}: "):
            node = OmegaConf.merge(node, {key: value for key, value in layer.items() if key in base})  # type: ignore[assignment]
    owners = {"method": method, "backbone": backbone, **({"protocol": protocol} if protocol else {})}
    node = overridden(node, overrides, owners)
    try:
        groups: dict[str, Any] = {name: _made(node[name], schema) for name, schema in base.items()}
    except UsageError as fault:
        if not (source := _source_of(str(fault), layers, overrides)):
            raise
        raise type(fault)(f"{source}: {fault}") from fault
    set_by = {
        f"{group}.{key}": source for source, layer in layers for group in layer if group in base for key in layer[group]
    }
    set_by |= {override.partition("=")[0].strip().lstrip("+~"): COMMAND for override in overrides}
    return Resolved(**groups, sources=set_by)


def _source_of(fault: str, layers: Iterable[tuple[str, Mapping[str, Any]]], overrides: Sequence[str]) -> str:
    """What set the option that a sentence begins with; empty for a default, and for what a person typed."""
    named = re.match(r"(\w+)\.(\w+)", fault)
    if named is None:
        return ""
    group, option = named.groups()
    if any(override.partition("=")[0].strip() == f"{group}.{option}" for override in overrides):
        return ""
    return next((source for source, layer in reversed([*layers]) if option in (layer.get(group) or {})), "")


def option_names(method: str, backbone: str, protocol: str | None) -> set[str]:
    """Every ``group.key`` that an override of such a run may set."""
    schemas = _schemas(method, backbone, protocol)
    return {f"{group}.{option.name}" for group, schema in schemas.items() for option in fields(schema)}


def with_options(groups: Mapping[str, object], overrides: Sequence[str]) -> dict[str, Any]:
    """Configuration objects by group overridden by ``group.key=value``, in the grammar of :func:`compose`.

    Raises ``UsageError`` for an option of another group too.
    """
    from omegaconf import OmegaConf

    for override in overrides:
        group = override.partition("=")[0].partition(".")[0]
        if "=" in override and group not in groups:
            raise UsageError(f"'{override}' sets nothing here; options of {' and '.join(groups)} can be set")
    nodes = {name: _node(made, f"the options of group '{name}'") for name, made in groups.items()}
    node = overridden(OmegaConf.create(nodes), overrides)
    return {name: _made(node[name], type(made)) for name, made in groups.items()}


def _made(node: Any, config_class: type[ConfigT], where: str = "") -> ConfigT:
    """The configuration that checked values make; what its own checks raise is a sentence."""
    from omegaconf import OmegaConf

    with own_code(config_class.__name__, config_class), in_words(where):
        made: ConfigT = OmegaConf.to_object(node)  # type: ignore[assignment]
    return made


def _node(config: object, what: str) -> Any:
    """A configuration dataclass, or an instance of one, as the base of overrides; frozen ones too."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        node = OmegaConf.structured(config)
    except OmegaConfBaseException as fault:
        raise UsageError(
            f"{what} cannot be set from the command line: {one_line(fault)}; take int, float, bool, str, Enum and"
            " lists of them"
        ) from fault
    _make_writable(node)
    return node


def _make_writable(node: Any) -> None:
    """Options of a frozen dataclass, and of those in it, may be overridden before it is made."""
    from omegaconf import DictConfig, OmegaConf

    OmegaConf.set_readonly(node, None)
    for key in node:
        if not OmegaConf.is_missing(node, key) and isinstance(node[key], DictConfig):
            _make_writable(node[key])


def _schemas(method: str, backbone: str, protocol: str | None) -> dict[str, type]:
    schemas = {
        "method": _schema(METHODS.get(method), f"method '{method}'"),
        "backbone": _schema(BACKBONES.get(backbone), f"backbone '{backbone}'"),
        "clip": ClipConfig,
        "train": TrainConfig,
        "engine": EngineConfig,
    }
    if protocol is not None:
        schemas["protocol"] = _schema(PROTOCOLS.get(protocol), f"protocol '{protocol}'")
    return schemas


def _schema(plugin: Any, what: str) -> type:
    config = getattr(plugin, "Config", None)
    if not (isinstance(config, type) and is_dataclass(config)):
        raise UsageError(f"{what} has no dataclass 'Config'; give it one, empty if there is nothing to set")
    return config
