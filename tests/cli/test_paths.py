"""Paths that people give: outputs that are no files, and bytes that are no text."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sslskel.cli import main
from sslskel.errors import UsageError
from sslskel.grid.request import GridRequest
from sslskel.grid.run import run_grid
from sslskel.plugins.scaffold import new_method

Command = Callable[..., Any]
BYTES = b"caf\xe9".decode("utf-8", "surrogateescape")
QUICK = ("--method", "random_init", "--protocol", "knn", "--benchmark", "tiny", "backbone.dim=8", "backbone.depth=1")


def test_a_board_goes_into_a_pipe(sslskel: Command, tmp_path: Path) -> None:
    assert sslskel("bench", *QUICK).returncode == 0
    os.mkfifo(tmp_path / "board.json")
    heard: list[bytes] = []
    reader = threading.Thread(target=lambda: heard.append((tmp_path / "board.json").read_bytes()), daemon=True)
    reader.start()
    done = sslskel("leaderboard", "--results", "runs", "--format", "json", "--output", "board.json")
    reader.join(30)
    assert done.returncode == 0, done.stderr
    assert json.loads(heard[0])["rows"]


@pytest.mark.parametrize(
    "words",
    [
        ("embed", "--checkpoint", "runs/pretrain", "--output", "{out}"),
        ("reproduce", "mamp-table7", "--benchmark", "tiny", "--output", "{out}"),
        ("speed", "--method", "mamp", "--benchmark", "tiny", "--output", "{out}"),
    ],
    ids=lambda words: words[0],
)
@pytest.mark.parametrize("out", [".", "file/below"])
def test_an_output_that_cannot_be_written_is_refused_before_work(
    words: tuple[str, ...], out: str, sslskel: Command, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    done = sslskel(*[word.format(out=out) for word in words])
    assert done.returncode == 2
    assert "is a folder; name the file to write" in done.stderr or "is not a folder" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_reproduced_table_is_not_called_what_it_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "mamp-table7", "--benchmark", "tiny", "--output", "table.tex"]) == 2
    assert "--output table.tex: a reproduced table is Markdown; give a name ending in .md" in capsys.readouterr().err
    assert not Path("table.tex").exists()


def test_features_go_into_a_device(sslskel: Command, tmp_path: Path) -> None:
    assert sslskel("bench", *QUICK).returncode == 0
    [run] = (tmp_path / "runs" / "pretrain").iterdir()
    (tmp_path / "link.npz").symlink_to("real.npz")
    assert sslskel("embed", "--checkpoint", str(run), "--output", "/dev/null").returncode == 0
    assert sslskel("embed", "--checkpoint", str(run), "--output", "link.npz").returncode == 0
    assert (tmp_path / "link.npz").is_symlink()
    assert np.load(tmp_path / "real.npz")["features"].shape == (24, 8)


@pytest.mark.parametrize(
    "words",
    [
        ("bench", *QUICK, "--results", BYTES),
        ("pretrain", "--method", "random_init", "--benchmark", "tiny", "--init", BYTES),
        ("evaluate", "--checkpoint", BYTES),
        ("leaderboard", "--results", BYTES),
        ("data", "import", "mine", "--clips", BYTES),
        ("new", "method", BYTES),
        (BYTES,),
    ],
    ids=lambda words: words[0].encode("ascii", "replace").decode(),
)
def test_bytes_that_are_no_text_are_refused_before_work(
    words: tuple[str, ...], command: Command, tmp_path: Path
) -> None:
    done = command(*words)
    assert done.returncode == 2
    assert "caf\\u{dce9}', holds bytes that are no utf-8 text; rename that file or folder" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_bytes_in_an_option_are_refused_before_work(tiny: str, tmp_path: Path) -> None:
    asked = {"methods": ("random_init",), "protocols": ("knn",), "benchmarks": (tiny,), "output": tmp_path / "runs"}
    with pytest.raises(UsageError, match="holds bytes that are no text, which no record can keep"):
        run_grid(GridRequest(**asked, overrides=(f"backbone.dim={BYTES}",)))  # type: ignore[arg-type]
    assert not (tmp_path / "runs").exists()


def test_a_method_in_a_folder_whose_name_is_no_text_is_recorded(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / BYTES).mkdir()
    monkeypatch.chdir(tmp_path / BYTES)
    new_method("mine")
    result = run_grid(
        GridRequest(methods=("mine",), protocols=("knn",), benchmarks=(tiny,), overrides=("train.epochs=1",))
    )
    assert result.failures == []
    assert "caf\\u{dce9}" in result.records[0].method["origin"]
