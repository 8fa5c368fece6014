"""The command of one cell asks for that cell alone, and for all else that the grid asked for."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from board_records import made

from sslskel.cli import bench
from sslskel.cli.options import request_of
from sslskel.grid.request import GridRequest
from sslskel.leaderboard.own_command import own_command

GRID = GridRequest(
    methods=("mamp", "random_init"),
    protocols=("linear", "knn"),
    benchmarks=("utd_mhad/xsub", "synthetic"),
    seeds=(0, 1, 2),
    output=Path("some runs"),
    preset="quick",
    overrides=("train.epochs=3", "clip.stream=it's a, b"),
)


def asked(command: str) -> GridRequest:
    parser = argparse.ArgumentParser()
    bench.add_arguments(parser)
    verb, *words = shlex.split(command)[1:]
    assert verb == "bench"
    options, overrides = parser.parse_known_args(words)
    options.overrides = overrides
    return request_of(options)


@pytest.mark.parametrize(
    "flags", [[], ["--jobs", "4", "--details"], ["--jobs=4", "--intervals", "--launcher", "local"]]
)
def test_it_asks_for_the_cell_and_otherwise_for_what_the_grid_did(flags: list[str]) -> None:
    command = shlex.join(["sslskel", "bench", *flags, *GRID.argv()])
    record = made("random_init", 0.5, 2, protocol="knn", command=command)
    only = replace(GRID, methods=("random_init",), protocols=("knn",), benchmarks=("utd_mhad/xsub",), seeds=(2,))
    assert asked(own_command(record)) == only


def test_a_split_of_its_own_flag_stays_there() -> None:
    record = made("mamp", 0.5, command="sslskel bench --method mamp --benchmark=utd_mhad --split xsub --seeds=3")
    request = asked(own_command(record))
    assert (request.benchmarks, request.split, request.seeds) == (("utd_mhad",), "xsub", (0,))


def test_options_of_a_sweep_have_the_value_of_the_cell() -> None:
    command = "sslskel sweep --method mamp method.mask_ratio=0.5,0.8 train.epochs=2,4 launcher.gpus=1 --trials 3"
    record = made("mamp", 0.5, command=command, config__method__mask_ratio=0.8, config__train__epochs=4)
    assert asked(own_command(record)).overrides == ("method.mask_ratio=0.8", "train.epochs=4")


def test_options_of_other_parts_of_the_grid_are_left_out() -> None:
    """`sslskel bench` refuses an option that none of its methods and protocols has."""
    command = "sslskel bench --method a,b protocol.epochs=2 method.queue=9 engine.device=cpu"
    record = made("mamp", 0.5, protocol="knn", command=command, config__protocol={"neighbours": 1})
    assert asked(own_command(record)).overrides == ("engine.device=cpu",)
    staged = made("mamp", 0.5, command="sslskel bench method.queue=9", config__stages={"1": {"method": "other"}})
    assert asked(own_command(staged)).overrides == ("method.queue=9",)


def test_the_results_folder_of_an_older_command_is_left_out() -> None:
    record = made("mamp", 0.5, command="sslskel bench --method mamp --output runs --jobs 2")
    assert "--output" not in own_command(record)
    assert asked(own_command(record)).methods == ("mamp",)


SUITE = "sslskel bench --suite open --method mamp"


@pytest.mark.parametrize(
    "command", ["", "python run.py", "sslskel evaluate --checkpoint a.pth", "sslskel bench 'open", SUITE]
)
def test_other_commands_are_no_grid_s(command: str) -> None:
    assert own_command(made(command=command)) == ""
