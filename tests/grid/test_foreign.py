"""Any torch module on the board: what it must give, what is recorded of it, and how boards mark it."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import sslskel
from sslskel import BENCHMARKS
from sslskel import evaluate as judge
from sslskel.encoders.foreign import ForeignModule
from sslskel.errors import UsageError
from sslskel.grid.foreign import ForeignSubject
from sslskel.leaderboard.build import build_board
from sslskel.leaderboard.formats import render
from sslskel.results.record import parse_record

SOURCE = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width=6):
        super().__init__()
        self.width = width
        self.head = nn.Linear(3 * 25, width)

    def forward(self, x):
        n, c, t, v, m = x.shape
        return self.head(x.mean((2, 4)).reshape(n, c * v))

    def steps(self, x):
        n, c, t, v, m = x.shape
        return self.head(x.mean(4).permute(0, 2, 1, 3).reshape(n, t, c * v))

    def tokens(self, x):
        n, c, t, v, m = x.shape
        return self.head(x.permute(0, 4, 2, 1, 3).reshape(n, m, t, 1, c * v))


def build():
    torch.manual_seed(0)
    return Net()


NUMBER = 3


def broken():
    raise FileNotFoundError("no weights at net.pt")


def nothing():
    return {"state_dict": 1}
"""


class Net(nn.Module):
    """Mean joints, in a linear layer."""

    def __init__(self, change: Callable[[Tensor], Any] = lambda features: features) -> None:
        super().__init__()
        self.head = nn.Linear(75, 6)
        self.change = change

    def forward(self, dense: Tensor) -> Any:
        """(N, C, T, V, M) -> (N, D), or whatever is made of it."""
        return self.change(self.head(dense.mean((2, 4)).flatten(1)))


NAME = f"{__name__}:Net"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with a package that holds a network."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "foreign_nets").mkdir()
    (tmp_path / "foreign_nets" / "__init__.py").write_text("")
    (tmp_path / "foreign_nets" / "net.py").write_text(SOURCE)
    (tmp_path / "foreign_nets" / "bad.py").write_text("import no_such_module_here\n")
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "foreign_nets"]:
        del sys.modules[name]


def test_a_module_is_judged_recorded_and_marked(tiny: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Net().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    first = sslskel.evaluate(encoder=module, seen="none", benchmark=tiny, protocol="knn", output=tmp_path)
    assert (first.method["name"], first.method["plugin"]) == (NAME, "declared")
    assert first.backbone == {"name": "none", "version": 0, "parameters": 75 * 6 + 6}
    assert first.seen == ()
    assert set(first.config) == {"clip", "engine", "protocol", "declared"}
    assert parse_record(first.to_json()) == first
    assert module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    again = sslskel.evaluate(module, "knn", seen="none", benchmark=tiny, output=tmp_path)
    assert again.created == first.created
    saw = sslskel.evaluate(module, "knn", seen=f"{tiny}/xsub", output=tmp_path / "saw")
    assert [(part["split"], part["clips"], part["overlap"]) for part in saw.seen] == [("xsub", 18, 0)]
    assert saw.identity != first.identity
    assert saw.weights_sha256 == first.weights_sha256
    board = build_board([first, dataclasses.replace(saw, method={**saw.method, "name": "other"})])
    assert {row.label for row in board.rows} == {f"{name} (as its owner declared)" for name in (NAME, "other")}
    [warning] = [text for text in board.warnings if "declared" in text]
    assert warning.endswith(f"other (tiny/xsub), {NAME} (no data)")
    assert all(row.trained for row in board.rows), "nothing proves that it saw no data, so that it is no floor"
    assert "as its owner declared" in render(board, "markdown")


def test_a_preset_names_the_sizes_that_it_is_judged_with(tiny: str, folder: Path, sslskel: Any) -> None:
    benchmark, foreign = BENCHMARKS.get(tiny), ForeignModule.of(Net())
    own, named = (
        ForeignSubject.declared(dataclasses.replace(foreign, preset=preset), "none") for preset in (None, "released")
    )
    assert own.resolved("linear", benchmark, []).protocol != named.resolved("linear", benchmark, []).protocol
    words = ("evaluate", "--encoder", "foreign_nets.net:build", "--seen", "none", "--benchmark", tiny)
    done = sslskel(*words, "--protocol", "knn", "--preset", "quik", cwd=folder)
    assert (done.returncode, "did you mean 'quick'?" in done.stderr) == (2, True)
    done = sslskel("evaluate", "--checkpoint", "x", "--preset", "quick", cwd=folder)
    assert (done.returncode, "leave out --preset quick" in done.stderr) == (2, True)


def test_leaking_declarations_are_marked(tiny: str, tmp_path: Path) -> None:
    record = sslskel.evaluate(Net(), "knn", seen=f"{tiny}/xsub", benchmark="tiny_more", output=tmp_path)
    assert record.seen[0]["overlap"] == 9
    assert build_board([record]).rows[0].cells[0].leak  # type: ignore[union-attr]


def test_weights_plain_values_and_source_make_other_records(tiny: str, folder: Path, sslskel: Any) -> None:
    def judged(file: str) -> str:
        (folder / "foreign_nets" / f"{file}.py").write_text(text)
        done = sslskel(
            *("evaluate", "--encoder", f"foreign_nets.{file}:build", "--seen", "none", "--benchmark", tiny),
            *("--protocol", "knn,linear", "--results", str(folder / "out"), "protocol.epochs=2"),
            cwd=folder,
        )
        assert done.returncode == 2, "knn knows no epochs"
        done = sslskel(
            *("evaluate", "--encoder", f"foreign_nets.{file}:build", "--seen", "none", "--benchmark", tiny),
            *("--protocol", "knn", "--results", str(folder / "out"), "clip.frames=16"),
            cwd=folder,
        )
        assert done.returncode == 0, done.stderr
        assert f"foreign_nets.{file}:build (as its owner declared)" in done.stdout
        records = [parse_record(one.read_text()) for one in (folder / "out" / "records").glob("*.json")]
        [record] = [record for record in records if record.method["name"] == f"foreign_nets.{file}:build"]
        return str(record.config["declared"]["source"])

    text = SOURCE
    first = judged("one")
    assert judged("two") == first
    text = SOURCE.replace("x.mean((2, 4))", "2 * x.mean((2, 4))")
    assert judged("three") != first


def test_steps_and_tokens_are_used_where_there_are_any(tiny: str, folder: Path, sslskel: Any) -> None:
    words = (
        "--benchmark",
        tiny,
        "--protocol",
        "finetune",
        "--results",
        str(folder / "out"),
        "protocol.epochs=1",
        "protocol.warmup_epochs=0",
    )
    done = sslskel("evaluate", "--encoder", "foreign_nets.net:build", "--seen", tiny, *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    with pytest.raises(UsageError, match="needs tokens, which the joint encoder does not provide"):
        judge(Net(), "finetune", seen="none", benchmark=tiny, output=folder)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("foreign_nets", "names no callable; write PACKAGE.MODULE:CALLABLE"),
        ("no_nets.net:build", "no module 'no_nets'"),
        ("foreign_nets.bad:build", "no module 'no_such_module_here'"),
        ("foreign_nets.net:biuld", "has no 'biuld'; did you mean 'build'?"),
        ("foreign_nets.net:NUMBER", "is a int, where a callable"),
        ("foreign_nets.net:broken", "failed: FileNotFoundError: no weights at net.pt"),
        ("foreign_nets.net:nothing", "returned a dict, where a torch.nn.Module"),
    ],
)
def test_what_is_no_callable_is_one_sentence(place: str, words: str, tiny: str, folder: Path, sslskel: Any) -> None:
    done = sslskel("evaluate", "--encoder", place, "--seen", "none", "--benchmark", tiny, cwd=folder)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert words in done.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda features: features[:, None], r"shape \(2, 1, 6\) and type torch.float32 for 2 clips"),
        (lambda features: features.squeeze(0), r"shape \(6,\) .* for 1 clips"),
        (lambda features: features[:1], r"shape \(1, 6\) .* for 2 clips"),
        (lambda features: features[:, : 3 + len(features)], "features of width 4 for 1 clips after 5 before"),
        (lambda features: features / 0, "not finite"),
        (lambda features: features.argmax(1, keepdim=True), "torch.int64"),
        (lambda features: (features,), "gives a tuple"),
        (lambda features: features @ torch.zeros(5, 2), r"cannot read clips .* of shape \(2, 3, 16, 25, 2\): Runtime"),
    ],
)
def test_wrong_features_are_one_sentence(
    change: Callable[[Tensor], Any], words: str, tiny: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words) as fault:
        sslskel.evaluate(Net(change), "knn", seen="none", benchmark=tiny, output=tmp_path, overrides=["clip.frames=16"])
    assert "\n" not in str(fault.value)
    assert not (tmp_path / "records").exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "must be declared: --seen NAME/SPLIT"),
        ({"seen": " , "}, "must be declared"),
        ({"seen": "ntu61/xsub"}, "no benchmark 'ntu61'; did you mean 'ntu60'"),
        ({"seen": "tiny/xset"}, "xset"),
        ({"seen": "none", "benchmark": None}, "name a benchmark to evaluate it on"),
        ({"seen": "none", "overrides": ["train.epochs=1"]}, r"only clip.\*, protocol.\* and engine.\* can be set"),
    ],
)
def test_what_is_not_declared_is_one_sentence(more: dict[str, Any], words: str, tiny: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        sslskel.evaluate(**{"encoder": Net(), "protocol": "knn", "benchmark": tiny, "output": tmp_path, **more})


def test_a_checkpoint_says_itself_what_it_saw(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="leave out --seen"):
        sslskel.evaluate(tmp_path, "knn", seen="none")
