"""What the checks of each kind of plugin run on: an object with a small configuration, made from a name or class."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from sslskel.api.backbone import Backbone
from sslskel.api.benchmark import Benchmark
from sslskel.api.dataset import Dataset, DatasetInfo
from sslskel.api.method import PretextMethod
from sslskel.api.protocol import EvaluationProtocol
from sslskel.checks.backbone import BACKBONE_CHECKS, BackboneCase
from sslskel.checks.dataset import DATASET_CHECKS, DatasetCase
from sslskel.checks.fixtures import dataset_info, small_config
from sslskel.checks.method import TRAINING_CHECKS
from sslskel.checks.method_case import MethodCase
from sslskel.checks.method_encoders import ENCODER_CHECKS
from sslskel.checks.method_processes import PROCESS_CHECKS
from sslskel.checks.method_shapes import SHAPE_CHECKS
from sslskel.checks.method_steps import STEP_CHECKS
from sslskel.checks.protocol import PROTOCOL_CHECKS, ProtocolCase, short_config
from sslskel.checks.runner import Check, CheckResult, run_checks
from sslskel.config.compose import from_plain, with_options
from sslskel.data.prepare import open_benchmark
from sslskel.engine.origins import hashed_origins
from sslskel.plugins.registry import BACKBONES, BENCHMARKS, METHODS, PROTOCOLS

Case = TypeVar("Case")

METHOD: Mapping[str, Check[MethodCase]] = {
    check.__name__: check for check in (*TRAINING_CHECKS, *STEP_CHECKS, *PROCESS_CHECKS, *SHAPE_CHECKS, *ENCODER_CHECKS)
}
BACKBONE: Mapping[str, Check[BackboneCase]] = {check.__name__: check for check in BACKBONE_CHECKS}
PROTOCOL: Mapping[str, Check[ProtocolCase]] = {check.__name__: check for check in PROTOCOL_CHECKS}
DATASET: Mapping[str, Check[DatasetCase]] = {check.__name__: check for check in DATASET_CHECKS}


@dataclass(frozen=True)
class Subject(Generic[Case]):
    """A plugin ready to be checked."""

    case: Case
    checks: Mapping[str, Check[Case]]
    expected: Mapping[str, str]
    """Declared failures: names of checks and the reasons."""

    def run(self, only: Collection[str] | None = None) -> list[CheckResult]:
        """Results of all checks or of those named; ``UsageError`` for a name that is not a check."""
        return run_checks(self.case, self.checks, self.expected, only)


def method_subject(
    method: str | type[PretextMethod],
    config: object = None,
    backbone: str | None = None,
    clips: DatasetInfo | None = None,
    overrides: Sequence[str] = (),
) -> Subject[MethodCase]:
    """A method or method preset; arguments as of ``check_method``."""
    plugin = METHODS.get(method) if isinstance(method, str) else method
    if config is None and _builds(plugin):
        preset = METHODS.preset(method).get("config") if isinstance(method, str) else None
        base: Any = from_plain(plugin.Config, preset, f"method preset '{method}'") if preset else None
        config = small_config(plugin.Config, base)
    network = BACKBONES.get(backbone or plugin.default_backbone)
    layers = _layers_of(method, network) if isinstance(method, str) and backbone is None else None
    if overrides:
        groups = {"method": config, "backbone": layers or small_config(network.Config)}
        chosen = with_options({name: made for name, made in groups.items() if made is not None}, overrides)
        config, layers = chosen.get("method"), chosen["backbone"]
    if config is not None:
        hashed_origins(plugin, config)
    case = MethodCase(plugin, config, network, clips or dataset_info(), layers)
    return Subject(case, METHOD, _expected(plugin))


def _layers_of(method: str, network: type[Backbone]) -> object:
    """Small layers as a method preset has them; None for one that says nothing of its backbone."""
    options = METHODS.preset(method).get("backbone")
    if not options:
        return None
    return small_config(network.Config, from_plain(network.Config, options, f"method preset '{method}'"))


def backbone_subject(
    backbone: str | type[Backbone], clips: DatasetInfo | None = None, overrides: Sequence[str] = ()
) -> Subject[BackboneCase]:
    """A backbone with small layers; arguments as of ``check_backbone``."""
    plugin = BACKBONES.get(backbone) if isinstance(backbone, str) else backbone
    config = with_options({"backbone": small_config(plugin.Config)}, overrides)["backbone"] if overrides else None
    return Subject(BackboneCase(plugin, clips or dataset_info(), config=config), BACKBONE, _expected(plugin))


def protocol_subject(
    protocol: str | type[EvaluationProtocol], config: object = None, overrides: Sequence[str] = ()
) -> Subject[ProtocolCase]:
    """A protocol or protocol preset; arguments as of ``check_protocol``."""
    plugin = PROTOCOLS.get(protocol) if isinstance(protocol, str) else protocol
    chosen: Any = config
    slow: Any = None
    if chosen is None and _builds(plugin):
        preset = PROTOCOLS.preset(protocol).get("config") if isinstance(protocol, str) else None
        base: Any = from_plain(plugin.Config, preset or {}, f"protocol preset '{protocol}'")
        chosen, slow = short_config(plugin, base), dataclasses.replace(base, **plugin.slow_check_config)
    if overrides:
        chosen, slow = (one and with_options({"protocol": one}, overrides)["protocol"] for one in (chosen, slow))
    return Subject(ProtocolCase(plugin, chosen, slow), PROTOCOL, _expected(plugin))


def dataset_subject(
    benchmark: str | Benchmark, dataset: Dataset | None = None, root: Path | None = None
) -> Subject[DatasetCase]:
    """A benchmark and its prepared dataset; arguments as of ``check_dataset``."""
    known = BENCHMARKS.get(benchmark) if isinstance(benchmark, str) else benchmark
    return Subject(DatasetCase(known, open_benchmark(known, root) if dataset is None else dataset), DATASET, {})


def _builds(plugin: type) -> bool:
    """Whether there is a Config with defaults; where there is none, a check says so."""
    try:
        plugin.Config()  # type: ignore[attr-defined]
    except (AttributeError, TypeError):
        return False
    return True


def _expected(plugin: type) -> Mapping[str, str]:
    expected: Mapping[str, str] = getattr(plugin, "expected_failed_checks", {})
    return expected
