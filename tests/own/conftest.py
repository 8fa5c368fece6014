"""Makes the sets that several tests of this folder import available, and an empty place for prepared datasets."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for prepared datasets."""
    monkeypatch.setenv("SSLSKEL_DATA", str(tmp_path / "data"))
    return tmp_path / "data"
