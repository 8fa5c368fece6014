"""Every command in every environment: no traceback, one sentence or proper output, and nothing half-written."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from environments import NOBODY, Ended, forget_home, leave_for_a_lost_folder, read_only, run_in
from every_command import ELSEWHERE, RUN, VERBS, cases, faults_of, in_world, listing, make_world, short

PLUGINS = Path(__file__).resolve().parents[1] / "support" / "plugins"
WORLD = "world"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with prepared data, and a world in it that tests copy."""
    folder = tmp_path_factory.mktemp("environments")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSLSKEL_PLUGINS", str(PLUGINS))
        patch.setenv("SSLSKEL_DATA", str(folder / "data"))
        patch.setenv("COLUMNS", "200")
        patch.chdir(folder)
        make_world(folder / WORLD)
        yield folder


@pytest.fixture
def world(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the world, which is the working folder."""
    folder = Path(shutil.copytree(made / WORLD, tmp_path / WORLD))
    monkeypatch.chdir(folder)
    return folder


def checked(words: list[str], world: Path, out: io.TextIOWrapper | None = None) -> Ended:
    """Run a command; fail where it does not end as it should."""
    before = listing(world)
    ended = run_in(words, out)
    faults = faults_of(words, ended, before, listing(world))
    assert not faults, f"{faults}: {ended}"
    return ended


def some(names: Callable[[tuple[str, ...]], bool]) -> list[object]:
    """Cases as parameters; what takes seconds where nothing stops it is long."""
    return [
        pytest.param(case, id=short(case)[:60], marks=[pytest.mark.long] if names(case) else []) for case in cases()
    ]


def works(case: tuple[str, ...]) -> bool:
    """Whether a command computes something, where it is not stopped."""
    return case[0] in ("speed", "check", "reproduce", "sweep") or "--dry-run" in case or "tiny" in case[:4]


EVERY = some(lambda case: False)
WORKING = some(works)


def test_every_command_is_tried() -> None:
    assert {case[0] for case in cases()} >= set(VERBS) - set(ELSEWHERE)
    assert {case[1] for case in cases() if case[0] == "data"} == {
        "prepare", "import", "info", "verify", "card", "show",
    }  # fmt: skip


@pytest.mark.parametrize("case", WORKING)
def test_commands_work_where_nothing_is_wrong(case: tuple[str, ...], world: Path) -> None:
    words = in_world(case, world)
    ended = checked(words, world)
    assert ended.code == 0 or case[0] == "ensemble", ended
    assert "--output" not in case or (world / words[words.index("--output") + 1]).exists()


@pytest.mark.parametrize("case", EVERY)
def test_no_home(case: tuple[str, ...], world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_home(monkeypatch)
    ended = checked(in_world(case, world), world)
    assert ended.code == 0 or "SSLSKEL_DATA=FOLDER" in ended.err + str(ended.out) or case[0] == "ensemble"


@pytest.mark.parametrize("case", EVERY)
def test_a_variable_names_the_home_of_nobody(
    case: tuple[str, ...], world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLSKEL_DATA", f"{NOBODY}/data")
    ended = checked(in_world(case, world), world)
    said = f"environment variable SSLSKEL_DATA: '{NOBODY}/data' cannot be found"
    assert ended.code == 0 or said in ended.err + str(ended.out) or case[0] == "ensemble"


@pytest.mark.parametrize("case", EVERY)
def test_a_path_names_the_home_of_nobody(case: tuple[str, ...], world: Path) -> None:
    """Each word of the command line that is a path: a file or folder that is there, or one to make."""
    words = in_world(case, world)
    here = [at for at, word in enumerate(words) if at and (Path(word).exists() or word.startswith(("made", "merged")))]
    for at in here:
        ended = checked([*words[:at], f"{NOBODY}/{Path(words[at]).name}", *words[at + 1 :]], world)
        assert ended.code == 2
        assert f"the home folder '{NOBODY}' is not known" in ended.err
    assert here or not {"made", RUN, "merged"} & set(case)


@pytest.mark.parametrize("case", EVERY)
def test_the_working_folder_is_gone(
    case: tuple[str, ...], world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = in_world(case, world)
    leave_for_a_lost_folder(tmp_path / "gone", monkeypatch)
    ended = checked(words, world)
    assert (
        ended.code == 0 if words[-1] in ("--help", "--version") else "the working folder cannot be found" in ended.err
    )


def writes_nothing(case: tuple[str, ...]) -> bool:
    reading = ("list", "show", "compare", "doctor", "speed", "check", "errata", "completion")
    return case[0] in (*reading, "runs", "data", "leaderboard", "reproduce") or case[-1].startswith("--")


@pytest.mark.parametrize("case", WORKING)
def test_a_read_only_folder(case: tuple[str, ...], world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    words = in_world(case, world)
    before = listing(world)
    with read_only(world):
        ended = checked(words, world)
        assert listing(world) == before
    if ended.code:
        assert "denied" in ended.err or case[0] == "ensemble", ended
    else:
        assert writes_nothing(case) or "--dry-run" in case, ended


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("case", WORKING)
def test_a_full_device_as_standard_output(case: tuple[str, ...], world: Path) -> None:
    with Path("/dev/full").open("w") as full:
        ended = checked(in_world(case, world), world, full)
        if case[:2] == ("runs", "prune"):
            return
        assert ended.code in (1, 2), ended
        assert "No space left on device" in ended.err or case[0] == "ensemble"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("case", WORKING)
def test_a_terminal_of_few_characters(case: tuple[str, ...], encoding: str, world: Path) -> None:
    raw = io.BytesIO()
    screen = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    ended = checked(in_world(case, world), world, screen)
    assert ended.code == 0 or case[0] == "ensemble", ended
    assert raw.getvalue() or case[:2] == ("runs", "prune") or case[0] == "ensemble"
    assert b"\\u2" not in raw.getvalue(), "lines of tables and signs of the field have a plain form"
