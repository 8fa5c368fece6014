"""Contract checks of plugins that anybody can run: methods, backbones, protocols, datasets.

Each takes a registered name or the object itself and returns one result per check::

    from sslskel.checks import check_method

    def test_contract():
        failed = [result for result in check_method("my_method") if result.failed]
        assert not failed, failed

``method_checks()`` and its sisters name all checks with what they hold. A plugin may
declare failures it expects in ``expected_failed_checks``; they count as skipped.
The checks themselves are in the modules of this package.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from sslskel.api.backbone import Backbone
from sslskel.api.benchmark import Benchmark
from sslskel.api.dataset import Dataset, DatasetInfo
from sslskel.api.method import PretextMethod
from sslskel.api.protocol import EvaluationProtocol
from sslskel.checks.backbone import BACKBONE_CHECKS, BackboneCase
from sslskel.checks.dataset import DATASET_CHECKS, DatasetCase
from sslskel.checks.fixtures import dataset_info, small_config
from sslskel.checks.method import TRAINING_CHECKS, MethodCase
from sslskel.checks.method_encoders import ENCODER_CHECKS
from sslskel.checks.method_shapes import SHAPE_CHECKS
from sslskel.checks.protocol import PROTOCOL_CHECKS, ProtocolCase, short_config
from sslskel.checks.runner import CheckResult, descriptions, run_checks
from sslskel.config.compose import from_plain
from sslskel.data.prepare import open_benchmark
from sslskel.plugins.registry import BACKBONES, BENCHMARKS, METHODS, PROTOCOLS

_METHOD = {check.__name__: check for check in (*TRAINING_CHECKS, *SHAPE_CHECKS, *ENCODER_CHECKS)}
_BACKBONE = {check.__name__: check for check in BACKBONE_CHECKS}
_PROTOCOL = {check.__name__: check for check in PROTOCOL_CHECKS}
_DATASET = {check.__name__: check for check in DATASET_CHECKS}


def method_checks() -> dict[str, str]:
    """Names of the checks of a method, and what each holds."""
    return descriptions(_METHOD)


def backbone_checks() -> dict[str, str]:
    """Names of the checks of a backbone, and what each holds."""
    return descriptions(_BACKBONE)


def protocol_checks() -> dict[str, str]:
    """Names of the checks of a protocol, and what each holds."""
    return descriptions(_PROTOCOL)


def dataset_checks() -> dict[str, str]:
    """Names of the checks of a dataset, and what each holds."""
    return descriptions(_DATASET)


def check_method(
    method: str | type[PretextMethod],
    *,
    config: Any = None,
    backbone: str | None = None,
    clips: DatasetInfo | None = None,
    only: Collection[str] | None = None,
) -> list[CheckResult]:
    """Check a method or method preset by name, or a class that is not registered.

    ``config`` replaces the small configuration that is made from the defaults (or from
    the preset), ``backbone`` the method's own choice, ``clips`` the kind of clips (NTU's
    25 joints in 3D, two persons); ``only`` names the checks to run.
    Raises ``UsageError`` for a name that is unknown or cannot be imported.
    """
    plugin = METHODS.get(method) if isinstance(method, str) else method
    if config is None and _builds(plugin):
        preset = METHODS.preset(method).get("config") if isinstance(method, str) else None
        base = from_plain(plugin.Config, preset, f"method preset '{method}'") if preset else None
        config = small_config(plugin.Config, base)
    network = BACKBONES.get(backbone or plugin.default_backbone)
    case = MethodCase(plugin, config, network, clips or dataset_info())
    return run_checks(case, _METHOD, _expected(plugin), only)


def check_backbone(
    backbone: str | type[Backbone], *, clips: DatasetInfo | None = None, only: Collection[str] | None = None
) -> list[CheckResult]:
    """Check a backbone by name or class, with small layers; otherwise as :func:`check_method`."""
    plugin = BACKBONES.get(backbone) if isinstance(backbone, str) else backbone
    return run_checks(BackboneCase(plugin, clips or dataset_info()), _BACKBONE, _expected(plugin), only)


def check_protocol(
    protocol: str | type[EvaluationProtocol], *, config: Any = None, only: Collection[str] | None = None
) -> list[CheckResult]:
    """Check a protocol or protocol preset by name, or a class; ``config`` replaces its short configuration."""
    plugin = PROTOCOLS.get(protocol) if isinstance(protocol, str) else protocol
    if config is None and _builds(plugin):
        preset = PROTOCOLS.preset(protocol).get("config") if isinstance(protocol, str) else None
        base = from_plain(plugin.Config, preset, f"protocol preset '{protocol}'") if preset else None
        config = short_config(plugin, base)
    return run_checks(ProtocolCase(plugin, config), _PROTOCOL, _expected(plugin), only)


def check_dataset(
    benchmark: str | Benchmark,
    *,
    dataset: Dataset | None = None,
    root: Path | None = None,
    only: Collection[str] | None = None,
) -> list[CheckResult]:
    """Check a benchmark's prepared dataset and splits, by name or object.

    ``dataset`` is an opened one, else it is opened (an embedded one prepared) under
    ``root``. Raises ``DataError`` where it is not prepared or cannot be opened.
    """
    found = BENCHMARKS.get(benchmark) if isinstance(benchmark, str) else benchmark
    opened = open_benchmark(found, root) if dataset is None else dataset
    return run_checks(DatasetCase(found, opened), _DATASET, {}, only)


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


__all__ = [
    "CheckResult",
    "backbone_checks",
    "check_backbone",
    "check_dataset",
    "check_method",
    "check_protocol",
    "dataset_checks",
    "method_checks",
    "protocol_checks",
    "small_config",
]
