"""The tutorial is done as it is written, on a smaller network: data made, files saved, commands run, a row there."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import pytest

from sslskel.cli import main
from sslskel.data.own.clip_table import KNOWN
from sslskel.data.own.layout_file import KEYS, read_description

PAGE = Path(__file__).resolve().parents[3] / "docs" / "guide" / "your-own-data.md"
TEXT = PAGE.read_text(encoding="utf-8")
QUICK = (
    "--device=cpu clip.frames=8 clip.min_frames=4 backbone.dim=8 backbone.depth=1 backbone.heads=2 train.epochs=1"
    " train.warmup_epochs=0"
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)


def test_the_page_as_a_reader_does_it(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("PIL")
    monkeypatch.chdir(tmp_path)
    [program] = blocks("python")
    (tmp_path / "make_gestures.py").write_text(program)
    runpy.run_path("make_gestures.py")
    layout, body = blocks("yaml")
    (tmp_path / "my_gestures" / "layout.yaml").write_text(layout)
    lines = [shlex.split(line)[1:] for block in blocks("sh") for line in block.splitlines()]
    assert [line[0] for line in lines] == ["data"] * 7 + ["bench", "leaderboard"]
    printed = {}
    for line in lines:
        words = (
            line
            if line[0] != "bench"
            else [
                *" ".join(line).replace("linear,knn", "knn").replace("--seeds 2", "--seeds 1").split(),
                *QUICK.split(),
            ]
        )
        assert main(words) == 0, words
        printed[" ".join(line[:2])] = capsys.readouterr().out
    assert "clips 96 of 4 classes" in printed["data info"]
    assert {"wave.html", "bow.png", "clip.gif"} <= {path.name for path in tmp_path.iterdir()}
    board = printed["leaderboard --benchmark"]
    assert all(name in board for name in ("mamp", "random_init", "raw_features", "my_gestures/xsub"))

    # The other body of the page is a layout file too, and the first lines of its table those of the program.
    (tmp_path / "body.yaml").write_text(body)
    described = read_description(tmp_path / "body.yaml").layout
    assert described is not None
    assert described.swaps == ((3, 4),)
    table = (tmp_path / "my_gestures" / "clips.csv").read_text().splitlines()
    assert "\n".join(table[:2]) in TEXT


def test_every_key_and_column_is_on_the_page() -> None:
    for word in (*KNOWN, *KEYS):
        assert f"`{word}`" in TEXT, word
