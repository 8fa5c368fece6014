"""A cell that fails in the middle, for whatever reason, is kept with its traceback, and the others go on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forged import write_state
from recorder import Recorder

from sslskel.errors import RunError
from sslskel.grid.failures import Unforeseen, in_a_sentence
from sslskel.grid.jobs import bench_in_jobs
from sslskel.grid.request import GridRequest
from sslskel.grid.run import run_each, run_grid
from sslskel.leaderboard.folder import board_of
from sslskel.plugins.scaffold import new_method, new_protocol
from sslskel.results.failures import failures

QUICK = ("train.epochs=1", "backbone.dim=8", "backbone.depth=1")
FORWARD = "        batch, draws = views[0]"
EVALUATE = "        known, votes = labelled"


@pytest.fixture(autouse=True)
def folder(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


def broken(line: str, instead: str, make: Callable[[str], list[Path]] = new_method) -> str:
    """A plugin ``mine`` with a statement before a line; where it stands, as sentences name it."""
    file, _ = make("mine")
    text = file.read_text()
    assert line in text
    file.write_text(text.replace(line, f"        {instead}\n{line}", 1))
    return f"{file}, line {text[: text.index(line)].count(chr(10)) + 1}"


def repaired() -> None:
    """The plugin without its fault, at another version: what it began is not continued."""
    [file] = Path("sslskel_plugins").glob("*/mine.py")
    file.unlink()
    new = new_method if file.parent.name == "methods" else new_protocol
    Path(f"sslskel_plugins/tests/test_mine_{file.parent.name[:-1]}.py").unlink()
    new("mine")


def request(**changes: Any) -> GridRequest:
    asked: dict[str, Any] = {
        "methods": ("mine", "random_init"),
        "protocols": ("knn",),
        "benchmarks": ("tiny",),
        "overrides": QUICK,
    }
    return GridRequest(**{**asked, **changes})


def test_a_method_that_does_not_train_takes_options_of_training_as_they_come() -> None:
    """One of another number of epochs stands beside each method, and is the same floor."""
    for protocol, epochs in (("knn", 1), ("retrieval", 2)):
        changes = (*QUICK, f"train.epochs={epochs}")
        result = run_grid(request(methods=("random_init",), protocols=(protocol,), overrides=changes))
        assert not result.failures
    assert len(list(Path("runs/pretrain").glob("random_init-*"))) == 1


def test_a_checkpoint_of_another_run_ends_its_own_cell_alone() -> None:
    asked = request(methods=("random_init", "raw_features"))
    run_grid(asked)
    [state] = Path("runs/pretrain").glob("random_init-*/step-*/state.json")
    other = json.loads(state.read_text())
    other["seed"] = 7
    write_state(state, other)
    [record] = [path for path in Path("runs/records").iterdir() if "random_init" in path.read_text()]
    record.unlink()
    result = run_grid(asked)
    assert result.reused == 1
    [failure] = result.failures
    assert "belongs to another run: its seed is 7, not 0; remove it or choose another output folder" in failure


def test_an_error_in_forward_ends_its_own_cells_alone() -> None:
    """It is tried once for all protocols, named on the board, due again, and forgotten when it succeeds."""
    place = broken(FORWARD, "open('tries', 'a').write('.') and views[9]")
    recorder = Recorder()
    result = run_grid(request(protocols=("knn", "retrieval")), recorder)
    assert (result.ran, result.reused) == (2, 0)
    assert Path("tries").read_text() == "."
    [first, second] = result.failures
    said = f"method 'mine' fails in its own code, {place}: IndexError: "
    assert first.startswith(f"mine on tiny/xsub, seed 0, knn: {said}")
    assert second.startswith(f"mine on tiny/xsub, seed 0, retrieval: {said}")
    trace = re.search(r"\(traceback in (runs/failures/\S+\.txt)\)$", first)
    assert trace
    assert re.search(r'mine\.py", line \d+, in forward\n', Path(trace[1]).read_text())
    assert "IndexError" in Path(trace[1]).read_text()
    assert any(f"failed: {said}" in line for line in recorder.lines)
    assert f"failed: {first}" in result.board.warnings
    assert f"failed: {second}" not in board_of("runs", protocols=["knn"]).warnings
    assert f"failed: {first}" in board_of("runs", ["tiny/xsub"]).warnings
    assert not [one for one in board_of("runs", ["other"]).warnings if "failed" in one]
    repaired()
    again = run_grid(request(protocols=("knn", "retrieval"), keep_results=True))
    assert (again.ran, again.reused, again.failures) == (2, 2, [])
    assert not [one for one in again.board.warnings if "failed" in one]
    assert not [*Path("runs/failures").iterdir()]


@pytest.mark.parametrize(
    ("instead", "words"),
    [
        ("import sys; sys.exit()", "SystemExit"),
        ("raise KeyError", "KeyError"),
        ("import torch; raise torch.cuda.OutOfMemoryError('CUDA out of memory. Tried 2 GiB\\nmore')", "(CUDA out of"),
    ],
)
def test_whatever_a_protocol_raises_ends_its_own_cells(instead: str, words: str) -> None:
    place = broken(EVALUATE, instead, new_protocol)
    result = run_grid(request(methods=("random_init",), protocols=("mine", "knn")))
    assert result.ran == 1
    [failure] = result.failures
    assert "random_init on tiny/xsub, seed 0, mine: protocol 'mine' " in failure
    assert place in failure
    assert words in failure
    assert ("needs more memory than there is" in failure) == ("memory" in instead)
    assert "Tried 2 GiB\n" not in failure


def test_an_error_outside_plugins_is_named_by_its_place() -> None:
    with (
        pytest.raises(Unforeseen, match=rf"not foreseen, {__file__}, line \d+: KeyError: 'nothing'$"),
        in_a_sentence([]),
    ):
        {}["nothing"]
    with pytest.raises(RunError, match=r"^own$"), in_a_sentence([]):
        raise RunError("own")
    with pytest.raises(BrokenPipeError), in_a_sentence([]):
        raise BrokenPipeError


def test_commands_print_one_sentence(sslskel: Callable[..., Any]) -> None:
    place = broken(FORWARD, "1 / 0")
    said = f"method 'mine' fails in its own code, {place}: ZeroDivisionError: division by zero (traceback in "
    words = ("--benchmark", "tiny", *QUICK)
    done = sslskel("bench", "--method", "mine", "--protocol", "knn", *words)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith(f"sslskel: failed: mine on tiny/xsub, seed 0, knn: {said}")
    assert "Traceback" not in done.stdout + done.stderr
    board = sslskel("leaderboard")
    assert board.returncode == 0
    assert f"Warning: failed: mine on tiny/xsub, seed 0, knn: {said}" in " ".join(board.stdout.split())
    alone = sslskel("pretrain", "--method", "mine", *words)
    assert alone.returncode == 1
    assert alone.stderr.strip().splitlines()[-1].startswith(f"sslskel: mine on tiny/xsub, seed 0: {said}")
    trace = alone.stderr.rpartition("traceback in ")[2].strip().rstrip(")")
    assert "ZeroDivisionError" in Path(trace).read_text()


def test_an_evaluation_alone_says_it_too(sslskel: Callable[..., Any]) -> None:
    place = broken(EVALUATE, "1 / 0", new_protocol)
    assert sslskel("pretrain", "--method", "random_init", "--benchmark", "tiny").returncode == 0
    [run] = Path("runs/pretrain").iterdir()
    done = sslskel("evaluate", "--checkpoint", str(run), "--protocol", "mine")
    assert done.returncode == 1
    said = f"random_init on tiny/xsub, seed 0, mine: protocol 'mine' fails in its own code, {place}: ZeroDivision"
    assert said in done.stderr
    [failure] = failures(Path("runs"))
    assert failure.cell.protocol == "mine"


BENCHMARK = """
from dataclasses import replace

from sslskel.benchmarks.synthetic import BENCHMARK as OTHER


def read(sources, report):
    yield from ()
    {}["clips"]


BENCHMARK = replace(OTHER, name="broken", info=replace(OTHER.info, name="broken"), read=read)
"""


def test_a_benchmark_that_cannot_make_its_data_is_named(sslskel: Callable[..., Any]) -> None:
    file = Path("sslskel_plugins/benchmarks/broken.py").absolute()
    file.parent.mkdir(parents=True)
    file.write_text(BENCHMARK)
    done = sslskel("bench", "--method", "random_init", "--benchmark", "broken")
    assert done.returncode == 2
    said = f"sslskel: benchmark 'broken' fails in its own code, {file}, line 9: KeyError: 'clips'"
    assert done.stderr.strip().splitlines()[-1] == said


@pytest.mark.long
def test_a_combination_of_a_sweep_that_fails_leaves_the_others(sslskel: Callable[..., Any]) -> None:
    broken("        super().__init__(config, build_backbone, clip)", "1 / (config.jitter - 0.25)")
    words = ("sweep", "--method", "mine", "--protocol", "knn", "--benchmark", "tiny", *QUICK)
    done = sslskel(*words, "method.jitter=0.25,0.5")
    assert done.returncode == 1
    assert done.stderr.count("sslskel: failed: ") == 1
    assert "ZeroDivisionError" in done.stderr
    assert len([*Path("runs/records").iterdir()]) == 1
    assert sslskel(*words, "method.jitter=0.25").returncode == 2
    # A wrong value of a later combination stops it before the first one runs.
    late = sslskel(*words, "method.jitter=0.75,x")
    assert late.returncode == 2
    assert "combination" not in late.stderr


def test_several_grids_are_one_where_one_cannot_run() -> None:
    broken("        super().__init__(config, build_backbone, clip)", "1 / 0")
    result = run_each([request(methods=("mine",)), request(methods=("random_init",))])
    assert (result.ran, len(result.failures), len(result.board.rows)) == (1, 1, 1)


@pytest.mark.long
def test_jobs_name_the_same_failures_and_note_one_that_was_killed() -> None:
    broken(FORWARD, "1 / 0")
    plain = run_grid(request(protocols=("knn", "retrieval"), output=Path("plain")))
    jobs = bench_in_jobs(request(protocols=("knn", "retrieval")), 2)
    assert (jobs.ran, jobs.reused) == (2, 0)
    assert [one.partition(" (traceback")[0] for one in jobs.failures] == [
        one.partition(" (traceback")[0] for one in plain.failures
    ]
    assert f"failed: {jobs.failures[0]}" in jobs.board.warnings
    Path("sslskel_plugins/methods/mine.py").unlink()
    Path("sslskel_plugins/tests/test_mine_method.py").unlink()
    broken(FORWARD, "import os; os.kill(os.getpid(), 9)")
    [failure] = bench_in_jobs(request(output=Path("killed")), 2).failures
    assert failure.startswith("mine on tiny/xsub, seed 0, knn: its process was killed by SIGKILL, as the system does")
    assert [one.cell.title for one in failures(Path("killed"))] == ["mine on tiny/xsub, seed 0, knn"]


@pytest.mark.long
def test_of_several_processes_the_run_ends_with_the_sentence(command: Callable[..., Any], folder: Path) -> None:
    """The others wait for the one that failed inside a collective; an error of the protocol ends its own cell."""
    place = broken(FORWARD, "import os; 1 / (int(os.environ['RANK']) - 1)")
    words = ("bench", "--benchmark", "tiny", "--processes", "2", *QUICK)
    done = command(*words, "--method", "mine,random_init", "--protocol", "knn")
    assert done.returncode == 1, done.stderr
    said = f"mine on tiny/xsub, seed 0, knn: method 'mine' fails in its own code, {place}: ZeroDivisionError"
    assert said in done.stderr
    [failure] = failures(folder / "runs")
    assert "ZeroDivisionError" in (folder / "runs" / failure.trace).read_text()
    broken(EVALUATE, "1 / 0", new_protocol)
    judged = command(*words, "--method", "random_init", "--protocol", "mine,knn")
    assert judged.returncode == 1
    assert "1 cell run" in judged.stdout
    assert "protocol 'mine' fails in its own code" in judged.stderr


def test_notes_of_others_are_passed_over(tmp_path: Path) -> None:
    identity, folder = "ab" * 16, tmp_path / "runs" / "failures"
    folder.mkdir(parents=True)
    note = {"message": "m", "cell": "c", "benchmark": "tiny/xsub", "protocol": "knn", "traceback": "../../secret"}
    texts = {"1": json.dumps({**note, "message": 3}), "2": "[]", "3": "{", "4": "{}"}
    for number, text in texts.items():
        (folder / f"{identity}-{number}.json").write_text(text)
        assert failures(tmp_path / "runs") == []
    (folder / f"{identity}-10.json").write_text(json.dumps(note))
    [failure] = failures(tmp_path / "runs")
    assert failure.words(tmp_path / "runs") == "m"
    assert board_of(tmp_path / "runs").warnings == ("failed: c: m",)
    for number in range(7):
        (folder / f"{number:032x}-1.json").write_text(json.dumps({**note, "cell": f"c{number}"}))
    warnings = board_of(tmp_path / "runs").warnings
    assert len(warnings) == 6
    assert warnings[-1].startswith("3 more cells failed; ")
