"""Overrides (``group.key=value``) onto a configuration, and what is wrong with a value in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from sslskel.config.faults import one_line
from sslskel.config.groups import COMMON
from sslskel.config.interpolation import check_override
from sslskel.errors import UsageError, did_you_mean
from sslskel.text import is_unicode, plain

if TYPE_CHECKING:
    from omegaconf import DictConfig


def overridden(
    node: DictConfig, overrides: Sequence[str], owners: Mapping[str, str] = MappingProxyType({})
) -> DictConfig:
    """Apply overrides through Hydra's compose, which owns their grammar.

    ``owners`` are the names of the plugins that a group's options are of. Raises ``UsageError`` for an option that is
    not there, naming them, and for a value that does not fit.
    """
    if not overrides:
        return node
    from hydra import compose as hydra_compose
    from hydra import initialize
    from hydra.core.config_store import ConfigStore
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    overrides = [_as_list(override) for override in overrides]
    _check_keys(node, overrides, owners)
    ConfigStore.instance().store(name="sslskel_run", node=node)
    outer = GlobalHydra.instance()
    try:
        if outer.is_initialized():
            return hydra_compose("sslskel_run", overrides=list(overrides))
        with initialize(version_base="1.3", config_path=None):
            return hydra_compose("sslskel_run", overrides=list(overrides))
    except (HydraException, OmegaConfBaseException, OverflowError) as fault:
        raise UsageError(_explained(fault, overrides)) from fault


def _as_list(override: str) -> str:
    """``engine.track=A,B`` as the list that it is; everything else as it stands."""
    key, _, value = override.partition("=")
    return f"{key}=[{value}]" if key == "engine.track" and not value.startswith("[") else override


def _check_keys(node: DictConfig, overrides: Sequence[str], owners: Mapping[str, str]) -> None:
    keys = [f"{group}.{key}" for group in map(str, node) for key in map(str, node[group])]
    for override in overrides:
        if not is_unicode(override):
            raise UsageError(f"'{plain(override)}' holds bytes that are no text, which no record can keep")
        check_override(override)
        key, equals, _ = override.partition("=")
        if not equals:
            raise UsageError(f"'{override}' is not an override; write GROUP.KEY=VALUE, for instance train.epochs=10")
        if key not in keys:
            group = key.partition(".")[0]
            owner = f" of {group} '{owners[group]}'" if group in owners else ""
            hint = f"show {group}` lists those of {group}" if group in COMMON else "show NAME` lists those of a plugin"
            raise UsageError(f"there is no option '{key}'{owner}{did_you_mean(key, keys)} (`sslskel {hint})")


def _explained(fault: Exception, overrides: Sequence[str]) -> str:
    from hydra.errors import OverrideParseException

    if isinstance(fault, OverrideParseException):
        return (
            f"'{fault.override}' cannot be read as GROUP.KEY=VALUE; close every bracket and quote, or put text with"
            " such signs into quotes of its own: GROUP.KEY='\"TEXT\"'"
        )
    sentence = one_line(fault.__cause__ or fault)
    # A sentence that begins with an option says which override is meant.
    return sentence if sentence.partition(" ")[0] in _keys(overrides) else f"{' '.join(overrides)}: {sentence}"


def _keys(overrides: Sequence[str]) -> list[str]:
    return [override.partition("=")[0] for override in overrides]
