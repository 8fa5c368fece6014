"""The method that stands for encoders whose own method is not known here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sslskel.api.method import PretextMethod
from sslskel.encoders.reuse import untrained_method
from sslskel.plugins.registry import METHODS


class AnotherFloor(METHODS.get("random_init")):  # type: ignore[misc]
    """Never trained either, and something beside its backbone."""

    bare_backbone = False


def test_it_is_the_one_that_says_so_wherever_its_name_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    known = list(METHODS.built_in())

    def with_another() -> Iterator[tuple[str, type[PretextMethod]]]:
        yield "another_floor", AnotherFloor
        yield from known

    assert [name for name, plugin in known if plugin.bare_backbone] == [untrained_method()] == ["random_init"]
    monkeypatch.setattr(METHODS, "built_in", with_another)
    assert untrained_method() == "random_init"
