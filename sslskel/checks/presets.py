"""What a plugin says of its sizes in presets of whole runs: that there are such presets, and such options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sslskel.api.backbone import Backbone
from sslskel.api.method import PretextMethod
from sslskel.api.protocol import EvaluationProtocol
from sslskel.checks.runner import expect
from sslskel.config.compose import from_plain
from sslskel.config.groups import ClipConfig, TrainConfig
from sslskel.errors import UsageError, did_you_mean
from sslskel.plugins.presets import presets
from sslskel.plugins.registry import BACKBONES

Plugin = type[PretextMethod] | type[Backbone] | type[EvaluationProtocol]


def check_presets(plugin: Plugin) -> None:
    """Hold that each preset that the plugin brings sizes for is one, and that all it sets are options."""
    known = presets()
    for name, options in plugin.presets.items():
        where = f"presets['{name}']"
        expect(name in known, f"{where}: there is no preset '{name}'{did_you_mean(name, known)}")
        groups = _groups(plugin)
        chosen: Mapping[str, Any] = options if "" not in groups else {"": options}
        for group, values in chosen.items():
            expect(group in groups, f"{where} has '{group}', which is none of the groups {', '.join(groups)}")
            try:
                from_plain(groups[group], values, f"{where}['{group}']" if group else where)
            except UsageError as fault:
                raise AssertionError(str(fault)) from fault


def _groups(plugin: Plugin) -> dict[str, type]:
    """Groups of options that presets of a method have; the others have their options alone."""
    if not issubclass(plugin, PretextMethod):
        return {"": plugin.Config}
    network = BACKBONES.get(plugin.default_backbone)
    return {"method": plugin.Config, "backbone": network.Config, "clip": ClipConfig, "train": TrainConfig}
