"""One family of flags, actions as commands of their own, and a near word for what is misspelt."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest

from sslskel.cli import main
from sslskel.cli.command import VERBS, parser_of
from sslskel.cli.leaderboard import FORMATS
from sslskel.cli.parser import actions_of, arguments_of
from sslskel.leaderboard.formats import RENDERERS


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser and those of its actions."""
    yield parser
    for inner in actions_of(parser).values():
        yield from parsers(inner)


EVERY = [one for verb in VERBS for one in parsers(parser_of(verb))]


@pytest.mark.parametrize("parser", EVERY, ids=lambda parser: parser.prog.removeprefix("sslskel "))
def test_the_results_folder_and_a_file_to_write_have_one_name_each(parser: argparse.ArgumentParser) -> None:
    for argument in arguments_of(parser):
        folder = "results folder" in (argument.help or "") and argument.option_strings and argument.nargs != 0
        assert not folder or "--results" in argument.option_strings, argument
        assert "--write" not in argument.option_strings
        if "--output" in argument.option_strings:
            assert argument.default is None, "a folder with a default is --results"


@pytest.mark.parametrize("parser", EVERY, ids=lambda parser: parser.prog.removeprefix("sslskel "))
def test_no_word_of_a_fixed_list_stands_where_an_action_would(parser: argparse.ArgumentParser) -> None:
    for argument in arguments_of(parser):
        assert argument.option_strings or not argument.choices or isinstance(argument.choices, dict), argument


def test_formats_are_those_of_boards() -> None:
    assert set(FORMATS) == set(RENDERERS)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("bench", "--method", "mamp", "--output", "runs"), "no flag '--output'; did you mean '--results'?"),
        (("evaluate", "--checkpoint", "x", "--output=runs"), "no flag '--output'; did you mean '--results'?"),
        (("reproduce", "mamp-table7", "--write", "x.md"), "no flag '--write'; did you mean '--output'?"),
        (("bench", "--metod", "mamp"), "did you mean '--method'?"),
        (
            ("bench", "--method", "mamp", "--launcher", "slrum"),
            "--launcher is one of local, slurm, not 'slrum'; did you",
        ),
        (("leaderboard", "--format", "md"), "not 'md'; did you mean 'markdown'?"),
        (("leaderboard", "--format", "tex"), "did you mean 'latex'?"),
        (("leaderboard", "--format", "htm"), "did you mean 'html'?"),
        (("leaderboard", "merg", "a"), "no action 'merg'; did you mean 'merge'?"),
        (("leaderboard", "--details", "merge", "a"), "`sslskel leaderboard merge --help`"),
        (("leaderboard", "merge"), "required: DIR"),
        (("runs", "lst"), "no action 'lst'; did you mean 'list'? (there are: list, prune)"),
        (("runs", "list", "--yes"), "no flag '--yes'"),
        (("check", "metod", "mamp"), "no kind 'metod'; did you mean 'method'?"),
        (("check", "benchmark", "tiny"), "did you mean 'dataset'?"),
        (("list", "--table"), "no flag '--table'; `sslskel list methods` has it"),
        (("list", "datasets"), "did you mean 'benchmarks'?"),
        (("new", "metod", "x"), "did you mean 'method'?"),
        (("completion", "bsh"), "no shell 'bsh'; did you mean 'bash'?"),
        (("bench", "--method", "mamp", "--jobs", "two"), "--jobs: 'two' is no whole number"),
        (("data", "import", "x", "--fps", "fast"), "--fps: 'fast' is no number"),
        (("bench", "--method", "mamp", "--mode", "fst"), "did you mean 'fast'?"),
        (("data", "import", "my data", "--clips", "x.csv"), "called 'my data'; take letters, digits, '.', '_' and '-'"),
        (("bench", "--method", "mamp", "--precision", "bf61"), "did you mean 'bf16'?"),
        (("speed", "--method", "mamp", "--against", "encoder"), "did you mean 'encoders'?"),
    ],
    ids=lambda words: "-".join(words) if isinstance(words, tuple) else "",
)
def test_a_wrong_word_is_answered_with_the_right_one(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert said in line


def test_flags_may_stand_before_an_action(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "one" / "records").mkdir(parents=True)
    target = tmp_path / "all"
    assert main(["leaderboard", "--results", str(target), "merge", str(tmp_path / "one")]) == 0
    assert f"0 records added to {target}" in capsys.readouterr().out


def test_list_names_what_it_lists_in_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--help"]) == 0
    assert {"suites", "encoders"} <= set(capsys.readouterr().out.split())
