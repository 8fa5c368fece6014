"""A method with views inside others, from the check before the grid to its record."""

from __future__ import annotations

from pathlib import Path

import pytest

import sslskel
from sslskel.errors import UsageError

METHOD = """
from local_views import LocalViews
from sslskel import ViewSpec


class Mine(LocalViews):
    pass
"""
TURNED = """
    def views(self):
        first, *others = super().views()
        return (*others, first)
"""


@pytest.fixture(autouse=True)
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "sslskel_plugins" / "methods" / "mine.py"
    file.parent.mkdir(parents=True)
    file.write_text(METHOD)
    monkeypatch.chdir(tmp_path)
    return file


def test_it_is_pretrained_and_judged(tiny: str) -> None:
    result = sslskel.bench(["mine"], ["knn"], [tiny], overrides=["train.epochs=1"])
    assert result.failures == []
    assert result.records[0].method["name"] == "mine"


def test_views_in_the_wrong_order_are_refused_before_any_work(tiny: str, plugin: Path) -> None:
    plugin.write_text(METHOD.replace("    pass\n", TURNED))
    with pytest.raises(UsageError, match="view 0 is to lie within view 0, but there is no view before it"):
        sslskel.bench(["mine"], ["knn"], [tiny])
    assert not Path("runs").exists()
