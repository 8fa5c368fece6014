"""What a record says of the code that made it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sslskel.engine import provenance

ROOT = Path(__file__).resolve().parents[2]


def test_the_commit_is_that_of_the_checkout() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    head = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert provenance.code_version()["commit"] == head.stdout.strip()


def test_a_wheel_has_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "CHECKOUT", tmp_path)
    assert provenance.code_version() == {"commit": "", "dirty": False}


def test_the_command_is_the_one_that_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/bin/sslskel", "bench", "--results", "my runs"])
    assert provenance.command_line() == "sslskel bench --results 'my runs'"
    monkeypatch.setenv(provenance.COMMAND, "sslskel bench --jobs 2")
    assert provenance.command_line() == "sslskel bench --jobs 2"
