"""What steps gave is written down whole, and a disk that takes none of it hides no error."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from fault_tools import failing_sync, killed_while_writing
from toy_engine import run

from sslskel.engine import step_log
from sslskel.errors import Diverged


def test_a_full_disk_does_not_hide_what_was_not_finite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of clips is whole or not there, and the error says which."""
    target, publish = tmp_path / "non_finite.json", step_log.publish

    def full(path: Path, content: bytes, *, replace_existing: bool) -> bool:
        killed_while_writing(lambda: publish(path, content, replace_existing=replace_existing))
        assert not target.exists()
        with monkeypatch.context() as disk:
            disk.setattr(os, "fsync", failing_sync(errno.ENOSPC))
            return publish(path, content, replace_existing=replace_existing)

    monkeypatch.setattr(step_log, "publish", full)
    with pytest.raises(Diverged, match=r"^step 9: .*clip-.*\(no space left for non_finite\.json in .*train\.clip_norm"):
        run(tmp_path, method={"poisoned_step": 8, "poison": "loss"})
    assert not target.exists()
