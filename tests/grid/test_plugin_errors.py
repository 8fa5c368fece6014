"""What a plugin's own code raises ends its own cells in a sentence that names it, its file and line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sslskel.errors import PluginError
from sslskel.grid.jobs import find_jobs
from sslskel.grid.request import GridRequest
from sslskel.grid.run import run_grid
from sslskel.plugins.scaffold import new_backbone, new_method, new_protocol
from sslskel.results.failures import failures

QUICK = ("train.epochs=1", "backbone.dim=8", "backbone.depth=1")


@pytest.fixture(autouse=True)
def folder(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def broken(make: Callable[[str], list[Path]], line: str, instead: str) -> str:
    """A plugin ``mine`` in which a line was replaced; the place of the new one, as sentences name it."""
    file, _ = make("mine")
    text = file.read_text()
    assert line in text
    file.write_text(text.replace(line, instead, 1))
    return f"{file}, line {text[: text.index(line)].count(chr(10)) + 1 + instead.count(chr(10))}"


def request(**changes: Any) -> GridRequest:
    asked: dict[str, Any] = {
        "methods": ("mine", "random_init"),
        "protocols": ("knn",),
        "benchmarks": ("tiny",),
        "overrides": QUICK,
    }
    return GridRequest(**{**asked, **changes})


HEAD = "        self.head = nn.Linear(self.backbone.dim, clip.coordinates)"
VIEWS = "    def encoders(self)"


@pytest.mark.parametrize(
    ("line", "instead", "reason"),
    [
        (HEAD, f"{HEAD}.nothing", "AttributeError: 'Linear' object has no attribute 'nothing'"),
        (HEAD, f"{HEAD}\n        self.sizes = [1][clip.frames]", "IndexError: list index out of range"),
        (HEAD, f"{HEAD}\n        nn.Linear('a', 2)", "TypeError: "),
        (HEAD, f"{HEAD}\n        raise KeyError", "KeyError"),
        (VIEWS, f"    def views(self):\n        return [][0]\n\n{VIEWS}", "IndexError: list index out of range"),
    ],
)
def test_a_method_s_errors_end_its_own_cells(line: str, instead: str, reason: str) -> None:
    place = broken(new_method, line, instead)
    result = run_grid(request())
    assert result.ran == 1
    [failure] = result.failures
    assert failure.startswith("mine on tiny, knn (1 cell left out): method 'mine' fails in its own code, ")
    assert reason in failure
    if "views" not in instead:
        assert place in failure
    assert find_jobs(request()).failures == [failure]
    [noted] = failures(Path("runs"))
    assert reason in Path("runs", noted.trace).read_text()
    assert f"failed: mine on tiny/xsub, seed 0, knn: {noted.words(Path('runs'))}" in result.board.warnings


def test_where_it_is_the_only_method_it_is_the_command_s_error(folder: Path, sslskel: Callable[..., Any]) -> None:
    place = broken(new_method, HEAD, f"{HEAD}\n        1 / 0")
    for words in (("bench", "--protocol", "knn"), ("pretrain",), ("speed",), ("bench", "--dry-run")):
        done = sslskel(*words, "--method", "mine", "--benchmark", "tiny", *QUICK)
        assert done.returncode == 2
        assert done.stderr.strip().splitlines()[-1] == (
            f"sslskel: method 'mine' fails in its own code, {place}: ZeroDivisionError: division by zero"
        )
    assert not (folder / "runs" / "records").exists()


def test_a_backbone_and_a_protocol_are_named_too(folder: Path) -> None:
    build = "        super().__init__(config, clip)"
    place = broken(new_backbone, build, f"{build}\n        raise ValueError('too small')")
    with pytest.raises(PluginError, match=f"^backbone 'mine' fails in its own code, {place}: ValueError: too small$"):
        run_grid(request(methods=("random_init",), backbone="mine", overrides=()))
    init = "    def __init__(self, config):\n        super().__init__(config)\n        config.nothing\n\n"
    broken(new_protocol, "    def evaluate(", f"{init}    def evaluate(")
    result = run_grid(request(methods=("random_init",), protocols=("mine", "knn")))
    assert result.ran == 1
    assert "protocol 'mine' fails in its own code" in result.failures[0]
    assert "has no attribute 'nothing'" in result.failures[0]


def test_a_constructor_of_another_shape_is_named_by_its_class() -> None:
    broken(new_method, "build_backbone: BuildBackbone, clip: ClipSpec) -> None:", ") -> None:")
    with pytest.raises(PluginError, match=r"method 'mine' fails in its own code, .*mine\.py, line \d+: TypeError"):
        run_grid(request(methods=("mine",)))


def test_options_that_cannot_check_themselves_are_named() -> None:
    require = "        require(self.jitter > 0,"
    broken(new_method, require, f"        1 / (self.jitter - 0.25)\n{require}")
    with pytest.raises(PluginError, match=r"^MineConfig fails in its own code, .*mine\.py, line \d+: ZeroDivision"):
        run_grid(request(overrides=(*QUICK, "method.jitter=0.25")))
