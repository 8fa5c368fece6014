"""Fixtures every test may use: the folder of recorded cases and motion data, where it exists."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder ``shared`` beside the checkout; a public clone has none and skips."""
    if not SHARED.is_dir():
        pytest.skip("no folder 'shared' beside the checkout: recorded cases and motion data are not part of a clone")
    return SHARED
