"""Code of the working folder runs for those alone who ask for it: not for boards, cards or the doctor."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from board_records import three

from sslskel.checks.installation import examine
from sslskel.encoders.export import export
from sslskel.engine.interpreter import module_launcher, sslskel_command
from sslskel.grid.run import bench
from sslskel.plugins.registry import BENCHMARKS, METHODS, REGISTRIES
from sslskel.plugins.scaffold import new_method
from sslskel.results.store import ResultStore

Command = Callable[..., Any]
TRAP = "from pathlib import Path\nPath({mark!r}).touch()\n"


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """What appears where code of the folder is run."""
    return tmp_path / "ran"


@pytest.fixture
def traps(tmp_path: Path, mark: Path) -> Path:
    """Local plugins of all kinds that leave a mark, and presets that name them."""
    plugins = tmp_path / "sslskel_plugins"
    for kind in ("methods", "benchmarks", "protocols", "backbones"):
        (plugins / kind).mkdir(parents=True)
        (plugins / kind / "trap.py").write_text(TRAP.format(mark=str(mark)))
    (plugins / "__init__.py").write_text(TRAP.format(mark=str(mark)))
    for kind in ("method", "protocol", "preset"):
        (plugins / "configs" / kind).mkdir(parents=True)
        (plugins / "configs" / kind / "snare.yaml").write_text("plugin: trap\n")
    return plugins


@pytest.mark.parametrize(
    "words",
    [
        *(("leaderboard", "--format", form, "--output", "board") for form in ("table", "html", "json", "markdown")),
        ("compare", "mamp", "trap"),
        ("compare", "mamp", "trap", "--clusters", "subjects"),
        ("leaderboard", "merge", "runs", "--results", "all"),
        ("runs", "list"),
        ("runs", "prune"),
        ("doctor", "--no-test"),
        ("list",),
        ("list", "presets"),
    ],
    ids=" ".join,
)
def test_local_plugins_that_records_and_presets_name_do_not_run(
    words: tuple[str, ...], traps: Path, mark: Path, command: Command, tmp_path: Path
) -> None:
    store = ResultStore(tmp_path / "runs")
    for record in (
        *three("mamp", 0.5, 0.6, benchmark__name="trap", protocol="trap"),
        *three("trap", 0.6, 0.7, benchmark__name="trap", protocol="trap", backbone__name="trap", method__plugin="trap"),
    ):
        store.write(record)
    done = command(*words)
    assert "Traceback" not in done.stderr
    assert not mark.exists()


def test_a_benchmark_in_the_folder_does_not_hide_the_installed_one_from_boards(traps: Path) -> None:
    shutil.copy(traps / "benchmarks" / "trap.py", traps / "benchmarks" / "synthetic.py")
    known = BENCHMARKS.installed("synthetic")
    assert known is not None
    assert known.name == "synthetic"


def faults_of_plugins() -> dict[str, str]:
    return {one.name: one.fault for one in examine() if one.name in REGISTRIES}


def test_the_doctor_names_broken_plugins_without_running_them(
    traps: Path, mark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert set(faults_of_plugins().values()) == {""}
    methods = traps / "methods"
    for name, text in {
        "cut": "class A(",
        "lacking": "import no_such_package",
        "deep": "(" * 10_000,
        "empty_bytes": "\0",
        "mamp": "import math",
    }.items():
        (methods / f"{name}.py").write_text(text)
    os.mkfifo(methods / "pipe.py")
    presets = traps / "configs" / "method"
    for name, text in {"circle": "plugin: circle", "nothing": "plugin: nowhere", "text": "text", "bad": "a: ["}.items():
        (presets / f"{name}.yaml").write_text(text)
    fault = faults_of_plugins()["methods"]
    named = set(fault.removeprefix("broken: ").partition(";")[0].split(", "))
    assert named == {
        *("cut", "lacking", "deep", "empty_bytes", "mamp", "pipe"),
        *("circle", "nothing", "text", "bad"),
        # Its first stage is mamp, of which there are two now.
        "stars",
    }
    assert not mark.exists()


def test_a_preset_that_names_itself_or_another_preset_is_a_sentence(traps: Path, command: Command) -> None:
    for name, plugin in {"circle": "circle", "a": "b", "b": "a"}.items():
        (traps / "configs" / "method" / f"{name}.yaml").write_text(f"plugin: {plugin}\n")
        done = command("show", name)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
    assert "names 'a', which is a preset itself; name a plugin" in done.stderr


def test_a_card_names_no_licence_of_a_local_benchmark(tiny: str, tmp_path: Path) -> None:
    bench(["random_init"], ["knn"], [tiny], output=tmp_path / "runs", overrides=["backbone.dim=8"])
    [run] = (tmp_path / "runs" / "pretrain").iterdir()
    packed, _ = export(run, tmp_path / "packed")
    assert "Data: of a benchmark that is not installed here" in (packed / "README.md").read_text(encoding="utf-8")


def test_a_plugin_that_is_asked_for_runs(traps: Path, mark: Path, command: Command) -> None:
    command("show", "trap")
    assert mark.exists()


def test_local_plugins_can_be_switched_off(
    traps: Path, mark: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "trap" in METHODS.names()
    monkeypatch.setenv("SSLSKEL_LOCAL_PLUGINS", "0")
    assert "trap" not in METHODS.names()
    assert "snare" not in METHODS.names()
    done = command("show", "trap", SSLSKEL_LOCAL_PLUGINS="0")
    assert (done.returncode, mark.exists()) == (2, False)
    assert "there is no" in done.stderr


@pytest.fixture
def imposters(tmp_path: Path, mark: Path) -> None:
    """Modules of the working folder with the names of some that every process imports."""
    for name in ("torch", "numpy", "sslskel", "runpy", "submitit", "random", "multiprocessing", "accelerate"):
        (tmp_path / f"{name}.py").write_text(TRAP.format(mark=str(mark)) + "raise SystemExit(9)\n")


@pytest.fixture
def apart(command_env: dict[str, str]) -> dict[str, str]:
    """An environment whose import path is that of the checkout."""
    return {**command_env, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}


@pytest.mark.usefixtures("imposters")
def test_a_process_does_not_import_from_the_working_folder(apart: dict[str, str], mark: Path, tmp_path: Path) -> None:
    for line in (sslskel_command("--version"), [*_split(module_launcher()), "-u", "-m", "random"]):
        done = subprocess.run(line, cwd=tmp_path, env=apart, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert not mark.exists()


def _split(line: str) -> list[str]:
    import shlex

    return shlex.split(line)


def test_without_the_switch_of_python_3_11_it_is_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in Python 3.10."""
    monkeypatch.setattr(sys, "version_info", (3, 10))
    line = sslskel_command("--version")
    assert "-P" not in line
    (tmp_path / "sslskel.py").write_text("raise SystemExit(9)")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    assert subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True).returncode == 0


@pytest.mark.long
@pytest.mark.usefixtures("imposters")
@pytest.mark.parametrize("how", [("--jobs", "2"), ("--processes", "2")], ids=" ".join)
def test_jobs_and_ranks_do_not_import_from_the_working_folder(
    how: tuple[str, ...], apart: dict[str, str], mark: Path, tmp_path: Path
) -> None:
    grid = ("--method", "random_init", "--protocol", "knn", "--benchmark", "tiny", "--seeds", "2", "backbone.dim=8")
    done = subprocess.run(
        sslskel_command("bench", *grid, *how), cwd=tmp_path, env=apart, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "runs" / "records").iterdir())) == 2
    assert not mark.exists()


@pytest.mark.long
def test_a_new_method_in_the_folder_is_still_found(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    new_method("mine")
    assert json.loads(command("check", "method", "mine", "--format", "json").stdout or "[]") != []
