"""What a person sees: plain lines now and then where there is no terminal, bars where there is one."""

import io
import subprocess
import sys

import pytest
from rich.console import Console
from rich.text import Text

from sslskel.cli import console
from sslskel.cli.console import ConsoleReporter


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(console, "time", clock)
    return clock


def test_plain_lines_come_less_and_less_often(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with ConsoleReporter() as reporter:
        for step in range(1, 1001):
            reporter.step("pretraining", step, 1000, epoch="0.5", loss=0.123456)
            clock.now += 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "  pretraining 11/1000  epoch 0.5  loss 0.1235  0:16:29 left"
    assert [int(line.split()[1].split("/")[0]) for line in lines] == [11, 31, 71, 151, 311, 611, 911]


def test_a_new_task_starts_its_own_clock(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with ConsoleReporter() as reporter:
        for _ in range(2):
            reporter.step("pretraining", 5, 10)
            clock.now += 11
            reporter.step("pretraining", 6, 10)
    assert capsys.readouterr().err.splitlines() == ["  pretraining 6/10    0:00:44 left"] * 2


def test_said_lines_are_text_and_never_markup(capsys: pytest.CaptureFixture[str]) -> None:
    with ConsoleReporter() as reporter:
        reporter.line("[bold]mamp[/] on x")
    assert capsys.readouterr().err == "[bold]mamp[/] on x\n"


def test_bars_on_a_terminal_survive_any_text(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(
        console, "Console", lambda stderr, **kept: Console(file=screen, force_terminal=True, width=120, **kept)
    )
    with ConsoleReporter() as reporter:
        reporter.step("pretraining [/x]", 1, 4, loss=0.5)
        reporter.step("pretraining [/x]", 2, 4, loss=0.25)
        reporter.step("linear", 1, 2)
        reporter.line("done [/y]")
    text = screen.getvalue()
    assert "pretraining [/x]" in text
    assert "loss 0.5" in text
    assert "linear" in text
    assert "done [/y]" in text


def test_a_terminal_is_never_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between lines and bars the time since the last of them runs, in the first process of a run alone."""

    def shown(rank: str) -> list[str]:
        screen = io.StringIO()
        monkeypatch.setenv("RANK", rank)
        monkeypatch.setattr(
            console, "Console", lambda stderr, **kept: Console(file=screen, force_terminal=True, width=120, **kept)
        )
        frames = []

        def frame() -> None:
            screen.seek(0)
            screen.truncate()
            reporter.refresh()
            frames.append(" ".join(Text.from_ansi(screen.getvalue()).plain.split()))

        with ConsoleReporter() as reporter:
            frame()
            reporter.step("pretraining", 1, 2)
            frame()
            reporter.step("pretraining", 2, 2)
            frame()
            reporter.line("cell 2")
            frame()
        return frames

    first, training, between, after = shown("0")
    assert "working 0:00:0" in first
    assert "pretraining" in training
    assert "1/2" in training
    assert "working" not in training
    assert "working 0:00:0" in between
    assert "pretraining" not in between
    assert "working 0:00:0" in after
    assert not any("working" in frame for frame in shown("1"))


def test_showing_progress_does_not_import_torch() -> None:
    code = "import sys, sslskel.cli.console; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
