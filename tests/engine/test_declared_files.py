"""Declared files and checkpoints: digests by content, the option that names each, sentences where they do not fit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from sslskel import Origin, PretextMethod
from sslskel.engine.checkpoint import save_checkpoint
from sslskel.engine.origins import by_content, hashed_origins, require_unchanged
from sslskel.errors import CheckpointError, RunError, UsageError


@dataclass
class Config:
    teachers: list[str] = field(default_factory=list)
    table: str = ""
    tau: float = 0.5


class Reader(PretextMethod[Config]):
    Config = Config

    @classmethod
    def origins(cls, config: Config) -> tuple[Origin, ...]:
        return (
            *(Origin(Path(teacher), "checkpoint") for teacher in config.teachers),
            *([Origin(Path(config.table))] if config.table else []),
        )


def checkpoint(folder: Path, value: float) -> Path:
    return save_checkpoint(folder, 3, {"weight": torch.full((2,), value)}, {}, {"meta": {}}, keep=1)


def test_each_is_found_with_its_content_and_option(tmp_path: Path) -> None:
    table = tmp_path / "table.npy"
    table.write_bytes(b"numbers")
    step = checkpoint(tmp_path / "run", 1.0)
    config = Config([str(step), str(tmp_path / "run") + "/"], str(table))
    first, second, third = hashed_origins(Reader, config)
    assert first.sha256 == second.sha256 == hashlib.sha256((step / "model.safetensors").read_bytes()).hexdigest()
    assert third.sha256 == hashlib.sha256(b"numbers").hexdigest()
    assert [one.name for one in (first, second, third)] == ["run", "run", "table.npy"]
    assert [one.option for one in (first, second, third)] == ["teachers.0", "teachers.1", "table"]
    options = {"teachers": config.teachers, "table": config.table, "tau": 0.5}
    teacher = f"sha256:{first.sha256[:12]}"
    assert by_content(options, {one.option: one.sha256 for one in (first, second, third)}) == {
        "teachers": [teacher, teacher],
        "table": f"sha256:{third.sha256[:12]}",
        "tau": 0.5,
    }


def test_nothing_is_read_where_nothing_is_declared() -> None:
    assert hashed_origins(Reader, Config()) == ()
    assert PretextMethod.origins(object()) == ()


def test_what_changed_is_refused(tmp_path: Path) -> None:
    checkpoint(tmp_path / "run", 1.0)
    origins = hashed_origins(Reader, Config([str(tmp_path / "run")]))
    require_unchanged(origins)
    checkpoint(tmp_path / "run", 2.0)
    with pytest.raises(RunError, match="run was changed after this run had been composed"):
        require_unchanged(origins)


def test_a_damaged_checkpoint_is_one_sentence(tmp_path: Path) -> None:
    step = checkpoint(tmp_path / "run", 1.0)
    (step / "model.safetensors").write_bytes(b"other")
    with pytest.raises(CheckpointError, match=r"^method.teachers.0=.*: checkpoint .* is damaged \(model.safetensors"):
        hashed_origins(Reader, Config([str(step)]))


@pytest.mark.parametrize(
    ("origins", "reason"),
    [
        (lambda config: 1 / 0, r"origins\(\) of Reader failed: ZeroDivisionError: division by zero"),
        (lambda config: None, r"origins\(\) of Reader failed: TypeError"),
        (lambda config: ("a.npy",), r"origins\(\) of Reader gave 'a.npy', where an Origin with a Path was expected"),
        (lambda config: (Origin("a.npy"),), r"gave Origin\(path='a.npy'.*where an Origin with a Path was expected"),  # type: ignore[arg-type]
        (lambda config: (Origin(Path("a"), "folder"),), "the kind of origin a is 'folder'; it must be file or"),  # type: ignore[arg-type]
        (lambda config: (Origin(Path("a"), "checkpoint", "none"),), "checkpoint a says itself what it saw"),
    ],
)
def test_what_is_no_declaration_is_one_sentence(origins: Any, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reader, "origins", origins)
    with pytest.raises(UsageError, match=reason) as fault:
        hashed_origins(Reader, Config())
    assert "\n" not in str(fault.value)
