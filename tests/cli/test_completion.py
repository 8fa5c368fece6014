"""Shells are told commands, flags, and names of plugins; nothing heavy is imported for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sslskel.cli import main
from sslskel.cli.completion import completions
from sslskel.config.modes import MODES


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("be",), ["bench"]),
        (("bench", "--meth"), ["--method"]),
        (("bench", "--method", "skeletonc"), ["skeletonclr"]),
        (("bench", "--method", "mamp,pcm"), ["mamp,pcm3"]),
        (("bench", "--method", "mamp,mamp"), []),
        (("bench", "--method=pcm"), ["--method=pcm3"]),
        (("bench", "--launcher", ""), ["local", "slurm"]),
        (("bench", "--mode", ""), sorted(MODES)),
        (("speed", "--precision", "bf"), ["bf16"]),
        (("bench", "eng"), ["engine."]),
        (("bench", "train.opt"), ["train.optimiser="]),
        (("bench", "train.optimiser=adamw"), ["train.optimiser=adamw"]),
        (("bench", "engine.compile="), ["engine.compile=false", "engine.compile=true"]),
        (("bench", "train.lr="), []),
        (("bench", "nothing.at="), []),
        (("show", "protocol", "kn"), ["knn", "knn_predict_cluster", "knn_slim"]),
        (("show", "suite", "open-"), ["open-quick"]),
        (("show", "open-"), ["open-quick"]),
        (("show", "preset", "qui"), ["quick"]),
        (("check", "met"), ["method"]),
        (("runs", "pr"), ["prune"]),
        (("leaderboard", "merge", "--res"), ["--results"]),
        (("leaderboard", "--format", "mark"), ["markdown"]),
        (("list", "methods", "--ta"), ["--table"]),
        (("new", "ba"), ["backbone"]),
        (("data", "ver"), ["verify"]),
        (("data", "verify", "utd"), ["utd_mhad"]),
        (("list", "met"), ["methods"]),
        (("check", "method", "raw"), ["raw_features"]),
        (("reproduce", "mamp-table10"), ["mamp-table10a", "mamp-table10b"]),
        (("bench", "--suite", "open-"), ["open-quick"]),
    ],
)
def test_the_last_word_is_completed(words: tuple[str, ...], found: list[str]) -> None:
    assert completions(words) == found


def test_what_is_no_command_line_has_no_completions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "words", "--", "bnch", "--me"]) == 0
    assert capsys.readouterr() == ("", "")


ZSH_ALONE = (
    "compdef() { :; }; compadd() { shift 4; print -l -- $@; }; _files() { print -l -- *.csv; };"
    ' eval "$(sslskel completion zsh)"'
)


def test_bash_gets_what_follows_the_equals_sign(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash-words", "--", "bench", "train.optimiser", "=", "sg"]) == 0
    assert capsys.readouterr().out == "sgd\n"
    assert main(["completion", "bash-words", "--", "bench", "train.optimiser", "="]) == 0
    assert "adamw\n" in capsys.readouterr().out


def test_names_are_completed_without_torch() -> None:
    code = (
        "import sys; from sslskel.cli.completion import completions; completions(['bench', '--method', ''])\n"
        "completions(['bench', 'train.']); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(("shell", "check"), [("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["--no-execute"])])
def test_the_script_is_one_of_its_shell(
    shell: str, check: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "sslskel completion" in script
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([shell, *check, "/dev/stdin"], input=script, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("shell", "completes"),
    [
        # The function of the script, called as bash calls it.
        (
            "bash",
            "COMP_WORDS=({}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _sslskel; printf '%s\\n' ${{COMPREPLY[@]}}",
        ),
        # As zsh calls it, with what would show the words.
        ("zsh", "words=({}); CURRENT=$#words; _sslskel"),
        ("fish", "complete -C '{}'"),
    ],
)
def test_a_shell_completes(shell: str, completes: str, tmp_path: Path, command_env: dict[str, str]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    tool = tmp_path / "sslskel"
    tool.write_text(f'#!/bin/sh\nexec {sys.executable} -m sslskel "$@"\n')
    tool.chmod(0o755)
    (tmp_path / "pcm.csv").touch()
    script = {"fish": "sslskel completion fish | source", "zsh": ZSH_ALONE}.get(
        shell, 'eval "$(sslskel completion bash)"'
    )
    for words, expected in (("sslskel bench --method pcm", ["pcm3"]), ("sslskel data import pcm", [])):
        line = f"export PATH={tmp_path}:$PATH; {script}; {completes.format(words)}"
        done = subprocess.run(
            [shell, "-c", line],
            env=command_env | {"XDG_CONFIG_HOME": str(tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        found = done.stdout.split()
        # Where there is no word the shell offers files; bash does it beyond the function.
        assert found == (expected or (["pcm.csv"] if shell != "bash" else [])), done.stderr
