"""Contract checks of plugins, part of the package: methods, backbones, protocols, datasets.

Under pytest each check is a test of its own::

    from sslskel.checks import parametrize_with_checks

    @parametrize_with_checks(["my_method"])
    def test_contract(check):
        check()

``check_method`` and the others take a registered name or the object itself and return one
result per check, without pytest. ``method_checks()`` and its sisters name all checks with what they hold. A plugin may
declare failures it expects in ``expected_failed_checks``; they count as skipped.
The checks themselves are in the modules of this package.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from sslskel.api.backbone import Backbone
from sslskel.api.benchmark import Benchmark
from sslskel.api.dataset import Dataset, DatasetInfo
from sslskel.api.method import PretextMethod
from sslskel.api.protocol import EvaluationProtocol
from sslskel.checks.fixtures import small_config
from sslskel.checks.items import PluginCheck, parametrize_with_checks
from sslskel.checks.runner import CheckResult, descriptions
from sslskel.checks.subjects import (
    BACKBONE,
    DATASET,
    METHOD,
    PROTOCOL,
    backbone_subject,
    dataset_subject,
    method_subject,
    protocol_subject,
)


def method_checks() -> dict[str, str]:
    """Names of the checks of a method, and what each checks."""
    return descriptions(METHOD)


def backbone_checks() -> dict[str, str]:
    """Names of the checks of a backbone, and what each checks."""
    return descriptions(BACKBONE)


def protocol_checks() -> dict[str, str]:
    """Names of the checks of a protocol, and what each checks."""
    return descriptions(PROTOCOL)


def dataset_checks() -> dict[str, str]:
    """Names of the checks of a dataset, and what each checks."""
    return descriptions(DATASET)


def check_method(
    method: str | type[PretextMethod],
    *,
    config: object = None,
    backbone: str | None = None,
    clips: DatasetInfo | None = None,
    overrides: Sequence[str] = (),
    only: Collection[str] | None = None,
) -> list[CheckResult]:
    """Check a method or method preset by name, or a class that is not registered.

    ``config`` replaces the small configuration that is made from the defaults (or from
    the preset), ``backbone`` the method's own choice, ``clips`` the kind of clips (NTU's
    25 joints in 3D, two persons); ``overrides`` are options such as ``method.mask_ratio=0.5``
    and ``backbone.dim=32``, which override both; ``only`` names the checks to run.
    Raises ``UsageError`` for a name or option that is unknown, or a plugin that cannot be imported.
    """
    return method_subject(method, config, backbone, clips, overrides).run(only)


def check_backbone(
    backbone: str | type[Backbone],
    *,
    clips: DatasetInfo | None = None,
    overrides: Sequence[str] = (),
    only: Collection[str] | None = None,
) -> list[CheckResult]:
    """Check a backbone by name or class, with small layers; otherwise as :func:`check_method`."""
    return backbone_subject(backbone, clips, overrides).run(only)


def check_protocol(
    protocol: str | type[EvaluationProtocol],
    *,
    config: object = None,
    overrides: Sequence[str] = (),
    only: Collection[str] | None = None,
) -> list[CheckResult]:
    """Check a protocol or protocol preset by name, or a class.

    ``config`` replaces its short configuration, and ``overrides`` such as ``protocol.epochs=5`` override it.
    """
    return protocol_subject(protocol, config, overrides).run(only)


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
    return dataset_subject(benchmark, dataset, root).run(only)


__all__ = [
    "CheckResult",
    "PluginCheck",
    "backbone_checks",
    "check_backbone",
    "check_dataset",
    "check_method",
    "check_protocol",
    "dataset_checks",
    "method_checks",
    "parametrize_with_checks",
    "protocol_checks",
    "small_config",
]
