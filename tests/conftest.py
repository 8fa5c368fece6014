"""Fixtures every test may use: recorded cases and motion data where they exist, and a tiny benchmark."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from recorded import leave_notes

from sslskel.api.benchmark import ImportReport
from sslskel.api.dataset import Clip, DatasetInfo, Track
from sslskel.api.skeleton import SkeletonLayout
from sslskel.cli import main
from sslskel.data.store.store import write_dataset

SHARED = Path(__file__).resolve().parents[2] / "shared"
SUPPORT = Path(__file__).resolve().parent / "support"
PLUGINS = SUPPORT / "plugins"

# The same examples at each run, so that whether a change may land depends on the change; `.ci/full` draws new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("new", deadline=None)
settings.load_profile(os.environ.get("SSLSKEL_EXAMPLES", "same"))


def pytest_sessionfinish() -> None:
    """Say which recorded arrays were read."""
    leave_notes()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked ``gpu`` need one."""
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs a GPU")


Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def same_start_of_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that a test runs in this process tells those it starts where not to look; later tests are not told."""
    monkeypatch.setenv("PYTHONSAFEPATH", "")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder ``shared`` beside the checkout; a public clone has none and skips."""
    if not SHARED.is_dir():
        pytest.skip("no folder 'shared' beside the checkout: recorded cases and motion data are not part of a clone")
    return SHARED


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of prepared datasets for the whole test run."""
    return tmp_path_factory.mktemp("datasets")


@pytest.fixture
def support_env() -> dict[str, str]:
    """Environment of a process that can import what tests share."""
    paths = [str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


@pytest.fixture
def tiny(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a benchmark of 24 clips that this process's registries find."""
    monkeypatch.setenv("SSLSKEL_PLUGINS", str(PLUGINS))
    monkeypatch.setenv("SSLSKEL_DATA", str(data_folder))
    return "tiny"


@pytest.fixture
def command_env(data_folder: Path) -> dict[str, str]:
    """Environment in which the command finds the tiny benchmark; one thread, so that tests run side by side."""
    return {
        **os.environ,
        "SSLSKEL_PLUGINS": str(PLUGINS),
        "SSLSKEL_DATA": str(data_folder),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "200",
    }


@pytest.fixture
def command(command_env: dict[str, str], tmp_path: Path) -> Command:
    """Run the installed command in a process of its own, in an empty folder: ``command("list", "methods")``."""

    def run(*words: str, cwd: Path = tmp_path, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sslskel", *words],
            cwd=cwd,
            env={**command_env, **env},
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


@pytest.fixture
def sslskel(command_env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The same in this process, which has loaded torch already; whatever is not the command's own error is raised."""

    def run(*words: str, cwd: Path = tmp_path, **env: str) -> subprocess.CompletedProcess[str]:
        out, err = io.StringIO(), io.StringIO()
        with monkeypatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(cwd)
            patch.setattr(sys, "argv", ["sslskel", *words])
            for name, value in {**command_env, **env}.items():
                patch.setenv(name, value)
            try:
                code = main(words)
            except SystemExit as ended:
                code = int(ended.code or 0)
        return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def prepared_toy(tmp_path: Path) -> Path:
    """Three clips of four frames, 15 rows in all; the first has two persons, the third is labelled 1."""
    layout = SkeletonLayout("chain3", ("j0", "j1", "j2"), (-1, 0, 1), 0)
    info = DatasetInfo("toy", 1, layout, ("sit", "stand"), 30.0, persons=2)

    def seen(slot: int, begin: int, frames: int) -> Track:
        values = np.random.default_rng(slot).normal(size=(frames, 3, 3)).astype(np.float32)
        return Track(slot, begin, values, np.ones(frames, np.bool_))

    clips = [
        Clip("a", 0, 4, (seen(1, 0, 4), seen(0, 1, 3)), subject=3, camera=2, setup=1),
        Clip("ö", -1, 4, (seen(0, 0, 4),)),
        Clip("b", 1, 4, (seen(0, 0, 4),)),
    ]
    report = ImportReport(dropped={"c": "empty"}, notes=["short"], source={"a.zip": "00"})
    write_dataset(tmp_path / "toy", info, clips, report=report)
    return tmp_path / "toy"
