"""An empty place for prepared datasets."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for prepared datasets."""
    monkeypatch.setenv("SSLSKEL_DATA", str(tmp_path / "data"))
    return tmp_path / "data"
