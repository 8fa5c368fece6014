"""Files of a local plugin folder share code, however the process that needs them was started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sslskel.plugins.registry import METHODS, PROTOCOLS
from sslskel.plugins.scaffold import new_method

Command = Callable[..., "subprocess.CompletedProcess[str]"]
WORKER = """
import multiprocessing, sys
from sslskel.data.sources.workers import _start
from sslskel.plugins.registry import METHODS
if __name__ == "__main__":
    helper = sys.modules[METHODS.get("mine").__module__].kmeans
    with multiprocessing.get_context("spawn").Pool(1, _start) as pool:
        print(pool.apply(helper, (1,)))
"""
METHOD = """
from dataclasses import dataclass
from sslskel import PretextMethod
from ._kmeans import kmeans, Shared

@dataclass
class Options:
    size: int = kmeans(1)

class Mine(Shared):
    Config = Options
    def forward(self, views, noise, progress): ...
    def encoders(self): return {}
"""
HELPER = """
from sslskel import PretextMethod
class Shared(PretextMethod): ...
def kmeans(x): return x + 1
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "sslskel_plugins"
    write(made)
    return made


def write(folder: Path, helper: str = HELPER) -> None:
    (folder / "methods").mkdir(parents=True, exist_ok=True)
    (folder / "methods" / "mine.py").write_text(METHOD)
    (folder / "methods" / "_kmeans.py").write_text(helper)


def size() -> int:
    made: int = METHODS.get("mine").Config().size
    return made


def test_a_plugin_imports_a_file_beside_it(folder: Path) -> None:
    assert size() == 2
    assert METHODS.names().count("_kmeans") == 0
    assert METHODS.get("mine") is METHODS.get("mine")


def test_files_of_one_name_in_two_folders_do_not_meet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = folder.parent / "theirs"
    write(other, HELPER.replace("x + 1", "x + 10"))
    (other / "methods" / "mine.py").rename(other / "methods" / "yours.py")
    monkeypatch.setenv("SSLSKEL_PLUGINS", str(other))
    assert (size(), METHODS.get("yours").Config().size) == (2, 11)


def test_an_edited_file_is_loaded_again(folder: Path) -> None:
    assert size() == 2
    write(folder, HELPER.replace("x + 1", "x + 5"))
    assert size() == 6
    write(folder, HELPER.replace("x + 1", "x + 6"))
    assert size() == 7


def test_another_working_directory_has_its_own_plugins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert size() == 2
    other = folder.parent / "project"
    write(other / "sslskel_plugins", HELPER.replace("x + 1", "x + 7"))
    monkeypatch.chdir(other)
    assert size() == 8


def test_a_worker_that_is_spawned_finds_what_a_plugin_made(folder: Path) -> None:
    script = folder.parent / "script.py"
    script.write_text(WORKER)
    # As the installed command is started: the working directory is not on the path.
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.strip() == "2", done.stderr


@pytest.mark.long
def test_a_test_beside_plugins_imports_their_code(folder: Path) -> None:
    file = folder / "tests" / "test_mine.py"
    file.parent.mkdir()
    file.write_text("import sslskel\nfrom sslskel_plugins.methods._kmeans import kmeans\n\n\n")
    with file.open("a") as more:
        more.write("def test_it():\n    assert kmeans(1) == sslskel.METHODS.get('mine').Config().size\n")
    command = [sys.executable, "-m", "pytest", "-q", "--import-mode=importlib", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder.parent)
    assert done.returncode == 0, done.stdout


@pytest.mark.long
def test_jobs_and_ranks_find_a_shared_file(tmp_path: Path, command: Command) -> None:
    (tmp_path / "sslskel_plugins" / "methods").mkdir(parents=True)
    file, _ = new_method("mine", tmp_path)
    file.with_name("_jitter.py").write_text("SIZE = 1.0\n")
    text = file.read_text().replace("from torch import nn\n", "from torch import nn\n\nfrom ._jitter import SIZE\n", 1)
    file.write_text(text.replace("self.config.jitter * jitter", "SIZE * self.config.jitter * jitter"))
    words = ("bench", "--method", "mine", "--protocol", "knn", "--benchmark", "tiny", "train.epochs=1")
    assert "1 cell run" in command(*words, "--jobs", "1", "--results", "a").stdout
    done = command(*words, "--processes", "2", "--results", "b")
    assert "1 cell run" in done.stdout, done.stderr


def test_names_that_begin_alike_are_told_apart(folder: Path) -> None:
    (folder / "methods" / "mine_base.py").write_text(HELPER)
    text = METHOD.replace("from ._kmeans import kmeans, Shared", "from .mine_base import kmeans, Shared")
    (folder / "methods" / "mine.py").write_text(text)
    assert size() == 2
    assert "mine" not in PROTOCOLS.names()
