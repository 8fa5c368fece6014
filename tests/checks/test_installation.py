"""The doctor: it sees what is there, its self-test can fail, and it leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sslskel.checks import installation as doctor
from sslskel.cli import main


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_it_names_versions_devices_and_plugins() -> None:
    findings = {finding.name: finding for finding in doctor.examine()}
    assert f"torch {torch.__version__}" in findings["packages"].value
    assert "gloo" in findings["distributed"].value
    assert "GiB free" in findings["results"].value
    assert not [finding for finding in findings.values() if finding.fault]


@pytest.mark.long
def test_the_self_test_passes_and_leaves_nothing(tmp_path: Path) -> None:
    assert [finding for finding in doctor.self_test() if finding.fault] == []
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_and_a_broken_plugin_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = tmp_path / "sslskel_plugins" / "methods"
    plugins.mkdir(parents=True)
    (plugins / "broken_one.py").write_text("import nothing_of_this_name\n", encoding="utf-8")
    monkeypatch.setattr(doctor, "LEAST_DISK", 2**70)
    faults = {finding.name: finding.fault for finding in doctor.examine() if finding.fault}
    assert "broken_one" in faults["methods"]
    assert "nearly full" in faults["results"]


@pytest.mark.parametrize(
    ("part", "name"), [("fault_of", "a checkpoint"), ("write_dataset", "a dataset"), ("check_method", "a method")]
)
def test_the_self_test_can_fail(part: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("made to fail")

    monkeypatch.setattr(doctor, "check_method", lambda *_, **__: [])
    monkeypatch.setattr(doctor, part, broken)
    [fault] = [finding for finding in doctor.self_test() if finding.fault]
    assert fault.name.startswith(name)
    assert fault.fault == "made to fail"


@pytest.mark.long
def test_the_command_prints_a_table_and_its_exit_code_tells(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["doctor", "--no-test"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "all well"
    assert all(line.count("|") == 4 for line in lines[:-2])
    monkeypatch.setattr(doctor, "LEAST_DISK", 2**70)
    assert main(["doctor", "--no-test"]) == 1
