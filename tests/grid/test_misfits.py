"""A method that does not fit a body takes its own cells out alone, is named, and can be asked for beforehand."""

from __future__ import annotations

from pathlib import Path

import pytest
from own_sets import CHAIN, write_set

from sslskel.cli import main
from sslskel.data.own.importing import import_dataset
from sslskel.errors import DataError
from sslskel.grid.jobs import find_jobs
from sslskel.grid.request import GridRequest
from sslskel.grid.run import run_grid

SMALL = ("clip.frames=8", "clip.min_frames=4")


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A benchmark whose body has neither parts nor left and right."""
    monkeypatch.setenv("SSLSKEL_DATA", str(tmp_path / "data"))
    import_dataset("mine", **write_set(tmp_path / "set", CHAIN, coordinates="xyz"))
    return "mine"


def request(output: Path, methods: tuple[str, ...]) -> GridRequest:
    return GridRequest(methods=methods, protocols=("knn",), benchmarks=("mine",), output=output, overrides=SMALL)


def test_the_others_go_on(mine: str, tmp_path: Path) -> None:
    result = run_grid(request(tmp_path / "runs", ("pcm3", "aimclr", "random_init")))
    assert result.ran == 1
    [parts, sides] = result.failures
    assert parts.startswith("pcm3 on mine, knn (1 cell left out): layout 'layout' does not define the body part")
    # Refused where the views are drawn, which is before any work all the same.
    assert sides.startswith("aimclr on mine, knn (1 cell left out): the extreme view exchanges left and right")
    grid = find_jobs(request(tmp_path / "more", ("pcm3", "random_init")))
    assert [cell.method for cell in grid.cells] == ["random_init"]
    assert grid.failures == [parts]


def test_where_nothing_fits_the_fault_ends_the_grid(mine: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not define the body part"):
        run_grid(request(tmp_path / "runs", ("pcm3",)))
    assert not (tmp_path / "runs").exists()


@pytest.mark.long
def test_the_list_says_it_beforehand(mine: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "methods", "--benchmark", mine]) == 0
    verdicts = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert verdicts["random_init"] == verdicts["mamp"] == "runs"
    assert verdicts["pcm3"].startswith("layout 'layout' does not define the body part")
    assert main(["list", "protocols", "--benchmark", mine]) == 2


def test_a_dry_run_names_them_too(mine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--method", "pcm3,random_init", "--protocol", "knn", "--benchmark", mine, "--results", str(tmp_path / "r")]
    assert main(["bench", *words, "--dry-run", *SMALL]) == 0
    out = capsys.readouterr().out
    assert "1 of 1 cell to run" in out
    assert "left out: pcm3 on mine" in out
