"""Contract checks of plugins that anybody can run: methods, backbones, protocols, datasets.

Each takes a registered name or the class itself and returns one result per check::

    from sslskel.checks import check_method

    def test_contract():
        failed = [result for result in check_method("my_method") if result.failed]
        assert not failed, failed

``method_checks()`` and its sisters name all checks with what they hold. A method may
declare failures it expects in ``expected_failed_checks``; they count as skipped.
The checks themselves are in the private modules of this package.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sslskel.checks._method import TRAINING_CHECKS, MethodCase
from sslskel.checks._method_encoders import ENCODER_CHECKS
from sslskel.checks._results import CheckResult, descriptions, run_checks
from sslskel.checks._subjects import small_config
from sslskel.compose import from_plain
from sslskel.method import PretextMethod
from sslskel.registry import BACKBONES, METHODS

_METHOD = {check.__name__: check for check in (*TRAINING_CHECKS, *ENCODER_CHECKS)}


def method_checks() -> dict[str, str]:
    """Names of the checks of a method, and what each holds."""
    return descriptions(_METHOD)


def check_method(
    method: str | type[PretextMethod],
    *,
    config: Any = None,
    backbone: str | None = None,
    only: Collection[str] | None = None,
) -> list[CheckResult]:
    """Check a method or method preset by name, or a class that is not registered.

    ``config`` replaces the small configuration that is made from the defaults (or from
    the preset); ``backbone`` the method's own choice. Raises ``UsageError`` for a name
    that is unknown or cannot be imported.
    """
    plugin: type[PretextMethod] = METHODS.get(method) if isinstance(method, str) else method
    if config is None and isinstance(getattr(plugin, "Config", None), type):
        preset = METHODS.preset(method).get("config", {}) if isinstance(method, str) else {}
        config = small_config(plugin.Config, from_plain(plugin.Config, preset, f"method preset '{method}'"))
    case = MethodCase(plugin, config, BACKBONES.get(backbone or plugin.default_backbone))
    return run_checks(case, _METHOD, plugin.expected_failed_checks, only)


__all__ = ["CheckResult", "check_method", "method_checks", "small_config"]
