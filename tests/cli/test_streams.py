"""What a command prints: no name steers a terminal, any encoding does, and a full device is a sentence."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from board_records import made, three

from sslskel.cli.console import ConsoleReporter
from sslskel.cli.streams import CleanStream, clean_streams
from sslskel.errors import RunError
from sslskel.leaderboard import build_board, print_board
from sslskel.results.store import ResultStore
from sslskel.text import PLAIN_SIGNS

Command = Callable[..., Any]
EVIL = "x\x1b]0;owned\x07\x1b[2J\u202ey\x9b31m"
"""A title, a cleared screen, reversed text, and a colour in one C1 character."""


def controls(text: str) -> set[str]:
    return {character for character in text if not character.isprintable()} - {"\n", "\t", "\xa0"}


def test_control_characters_are_shown_and_the_rest_is_as_it_was() -> None:
    raw = io.StringIO()
    stream = CleanStream(raw)
    for text in ("plain\n", "ö\ttab 中\n", EVIL):
        print(text, file=stream, end="")  # type: ignore[arg-type]
    assert raw.getvalue().startswith("plain\nö\ttab 中\nx\\u{1b}]0;owned\\u{7}")
    assert controls(raw.getvalue()) == set()


def test_an_encoding_without_a_character_gets_its_escape() -> None:
    raw = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    CleanStream(raw).write("ö 中\n")
    raw.seek(0)
    assert raw.read() == "\\xf6 \\u4e2d\n"


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    """Plugins, presets, records and folders with names that would steer a terminal."""
    plugins = tmp_path / "sslskel_plugins"
    for kind in ("methods", "benchmarks", "configs/method", "configs/preset", "configs/table"):
        folder = plugins / kind
        folder.mkdir(parents=True)
        (folder / f"{EVIL}.{'yaml' if 'configs' in kind else 'py'}").write_text("plugin: mamp\n")
    store = ResultStore(tmp_path / "runs")
    for record in three(EVIL, 0.5, 0.6, benchmark__name=EVIL, protocol=EVIL, preset=EVIL):
        store.write(record)
    (tmp_path / "runs" / "records" / EVIL).touch()
    (tmp_path / "runs" / "pretrain" / EVIL / "step-1").mkdir(parents=True)
    (tmp_path / EVIL).mkdir()
    return plugins


@pytest.mark.parametrize(
    "words",
    [
        ("list",),
        ("list", "methods", "--check"),
        ("list", "presets"),
        ("runs", "list"),
        ("runs", "prune"),
        ("leaderboard",),
        ("leaderboard", "--format", "markdown"),
        ("leaderboard", "--format", "csv"),
        ("leaderboard", "--results", EVIL),
        ("leaderboard", "merge", "runs", "--results", EVIL),
        ("compare", EVIL, "mamp"),
        ("show", EVIL),
        ("bench", "--method", EVIL),
        ("bench", "--method", "mamp", f"train.{EVIL}=1"),
        ("doctor", "--no-test"),
        ("data", "info", EVIL),
        ("evaluate", "--checkpoint", EVIL),
        (EVIL,),
        ("new", "method", EVIL),
        ("reproduce",),
    ],
    ids=lambda words: " ".join(words).encode("ascii", "replace").decode().replace("\x1b", "E").replace("\x07", "B"),
)
def test_no_name_steers_a_terminal(words: tuple[str, ...], evil: Path, sslskel: Command) -> None:
    done = sslskel(*words)
    assert controls(done.stdout) == set()
    assert controls(done.stderr) == set()


@pytest.mark.parametrize("within", ["contextlib.nullcontext()", "clean_streams()"])
def test_progress_on_a_terminal_sends_only_what_rich_does(within: str) -> None:
    primary, secondary = pty.openpty()
    code = (
        "import contextlib, sys, logging\n"
        "from sslskel.cli.console import ConsoleReporter\n"
        "from sslskel.cli.streams import clean_streams\n"
        f"with {within}, ConsoleReporter() as reporter:\n"
        "    reporter.step('x\\x1b]0;owned\\x07', 1, 2, loss='\\x1b]0;owned\\x07')\n"
        "    reporter.line('line\\x1b]0;owned\\x07')\n"
        "    print('out\\x1b]0;owned\\x07', file=sys.stderr)\n"
        "    logging.getLogger('sslskel').warning('warned\\x1b]0;owned\\x07')\n"
        "    reporter.step('x', 2, 2)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=secondary, stderr=secondary, stdin=secondary)
    os.close(secondary)
    shown = b""
    try:
        while piece := os.read(primary, 65536):
            shown += piece
    except OSError:
        pass
    assert process.wait() == 0
    for word in (b"line", b"out", b"warned"):
        assert word in shown
    assert b"\x1b[" in shown
    assert b"\\u{1b}[" not in shown
    assert b"\x1b]0;" not in shown
    assert b"\x07" not in shown


def test_streams_are_given_back() -> None:
    before = sys.stdout, sys.stderr
    with clean_streams():
        assert sys.stdout is not before[0]
    assert (sys.stdout, sys.stderr) == before
    with ConsoleReporter():
        pass
    assert (sys.stdout, sys.stderr) == before


def test_a_stream_that_cannot_be_written_is_a_sentence() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(RunError, match=r"cannot be written \(No space left on device\); free some space there"):
        CleanStream(Full()).write("a")


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), BrokenPipeError()])
def test_messages_that_cannot_be_written_end_no_work(fault: OSError, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise fault

        def flush(self) -> None:
            raise fault

    monkeypatch.setattr(sys, "stderr", Gone())
    with clean_streams():
        print("a message", file=sys.stderr, flush=True)
        with ConsoleReporter() as reporter:
            reporter.line("another")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    "words", [("list",), ("--help",), ("--version",), ("leaderboard",), ("leaderboard", "--format", "json")]
)
def test_a_full_device_as_standard_output_is_a_sentence(
    words: tuple[str, ...], evil: Path, command_env: dict[str, str], tmp_path: Path
) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "sslskel", *words],
            cwd=tmp_path,
            env=command_env,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(
        "sslskel: what a command prints cannot be written (No space left on device)"
    )


@pytest.mark.long
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_any_encoding_of_a_terminal_does(
    encoding: str, evil: Path, command_env: dict[str, str], tmp_path: Path
) -> None:
    for words in (("list",), ("leaderboard",), ("runs", "list"), ("doctor", "--no-test"), ("show", "mamp")):
        done = subprocess.run(
            [sys.executable, "-m", "sslskel", *words],
            cwd=tmp_path,
            env={**command_env, "PYTHONIOENCODING": encoding},
            capture_output=True,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_board_stays_in_line_where_signs_are_lacking(encoding: str) -> None:
    leaking = three("mamp", 0.5, 0.6, seen=[{**made().seen[0], "part": "test"}])
    board = build_board([*leaking, *three("a_method_of_a_longer_name", 0.51, 0.52, 0.53)])
    raw = io.BytesIO()
    screen = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    with redirect_stdout(screen), clean_streams():
        print_board(board)
    whole = raw.getvalue().decode(encoding).splitlines()
    lines = whole[1 : [line.partition(" ")[0] for line in whole].index("Scores")]
    assert len(lines) == 4
    assert len({len(line) for line in lines}) == 1
    assert ("+/-" if encoding == "ascii" else " ± ") in "".join(lines)
    assert "\\" not in raw.getvalue().decode(encoding)


def test_what_stands_for_a_sign_is_as_wide() -> None:
    assert [sign for sign, form in PLAIN_SIGNS if len(sign) != len(form)] == []


def test_a_closed_output_is_no_error(command_env: dict[str, str]) -> None:
    for closed in (">&-", "2>&-", ">&- 2>&-"):
        done = subprocess.run(
            ["sh", "-c", f"{sys.executable} -m sslskel --version {closed}"], env=command_env, capture_output=True
        )
        assert (done.returncode, done.stderr) == (0, b"")
