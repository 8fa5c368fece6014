"""Checks as tests of pytest: one item for each plugin and check."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from sslskel.api.backbone import Backbone
from sslskel.api.benchmark import Benchmark
from sslskel.api.method import PretextMethod
from sslskel.api.protocol import EvaluationProtocol
from sslskel.checks.runner import DECLARED, CheckResult
from sslskel.checks.subjects import (
    BACKBONE,
    DATASET,
    METHOD,
    PROTOCOL,
    Subject,
    backbone_subject,
    dataset_subject,
    method_subject,
    protocol_subject,
)
from sslskel.errors import UsageError, did_you_mean

Kind = Literal["method", "backbone", "protocol", "dataset"]
Plugin = str | type[PretextMethod] | type[Backbone] | type[EvaluationProtocol] | Benchmark
Test = TypeVar("Test", bound=Callable[..., object])

CHECKS: Mapping[str, tuple[Callable[..., Subject[Any]], Collection[str]]] = {
    "method": (method_subject, METHOD),
    "backbone": (backbone_subject, BACKBONE),
    "protocol": (protocol_subject, PROTOCOL),
    "dataset": (dataset_subject, DATASET),
}
"""How a plugin of each kind is made ready, and the names of its checks."""


@dataclass(frozen=True)
class PluginCheck:
    """One check of one plugin, to be called in a test."""

    kind: Kind
    plugin: Plugin
    name: str

    def __str__(self) -> str:
        plugin = self.plugin if isinstance(self.plugin, str) else getattr(self.plugin, "__name__", "unregistered")
        return f"{plugin}-{self.name}"

    def __call__(self, **options: object) -> CheckResult:
        """Run it; ``options`` are those of ``check_method`` and the like, but for ``only``.

        Raises ``AssertionError`` with the reason where the check fails, and skips the running
        test where it does not apply or fails as declared.
        """
        import pytest

        [result] = _subject(self.kind, self.plugin, options).run([self.name])
        if result.skipped:
            pytest.skip(result.detail)
        assert result.passed, f"{self}: {result.detail}"
        return result


def parametrize_with_checks(plugins: Iterable[Plugin], kind: Kind = "method") -> Callable[[Test], Test]:
    """Decorate a test with an argument ``check`` so that it runs once for each plugin and check.

    ``plugins`` are registered names or the objects themselves, all of one ``kind``. The test
    calls ``check()``::

        @parametrize_with_checks(["my_method"])
        def test_contract(check):
            check()

    Items are named ``my_method-loss_is_finite``. Plugins are imported when their items run.
    Raises ``UsageError`` for a kind that there is not.
    """
    import pytest

    if kind not in CHECKS:
        raise UsageError(f"no kind of plugin is called '{kind}'{did_you_mean(kind, CHECKS)}; take {', '.join(CHECKS)}")
    names = [*CHECKS[kind][1], DECLARED]
    checks = [PluginCheck(kind, plugin, name) for plugin in plugins for name in names]
    return pytest.mark.parametrize("check", checks, ids=str)


_last: list[tuple[object, Subject[Any]]] = []
"""The subject of the item that ran last: the next one is usually of the same plugin."""


def _subject(kind: Kind, plugin: Plugin, options: Mapping[str, object]) -> Subject[Any]:
    key = (kind, plugin, dict(options))
    if not _last or _last[0][0] != key:
        _last[:] = [(key, CHECKS[kind][0](plugin, **options))]
    return _last[0][1]
