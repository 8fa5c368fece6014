"""The fault harness: a few killed ranks always, every kind of fault as often as the tally says in the long tests."""

from __future__ import annotations

import subprocess
import sys

import fault_harness as harness
import pytest


def tried(env: dict[str, str], name: str, *more: str, before: str = "") -> None:
    """In a process of its own: forks of one that runs tests would be forks of the tests."""
    code = "import tempfile, torch, fault_harness as harness\n"
    code += f"{before}\n"
    code += f"torch.set_num_threads(1); found = harness.attempt({name!r}, {bool(more)})\n"
    code += "print(found if isinstance(found, str) else f'{found.survived}/{found.tried}')"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=3000)
    assert done.returncode == 0, done.stderr
    tally = done.stdout.strip().splitlines()[-1]
    if "/" not in tally:
        pytest.skip(tally)
    survived, _, number = tally.partition("/")
    assert survived == number, tally


@pytest.mark.long
def test_ranks_forked_from_a_process_that_trained_alone_are_watched_too(support_env: dict[str, str]) -> None:
    tried(
        support_env, "frozen_ranks", "quick", before="harness.toy_engine.run(tempfile.mkdtemp(), train={'epochs': 1})"
    )


@pytest.mark.long
def test_five_killed_ranks_lose_nothing(support_env: dict[str, str]) -> None:
    tried(support_env, "killed_ranks", "quick")


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(harness.FAULTS))
def test_every_fault_as_often_as_the_tally_says(name: str, support_env: dict[str, str]) -> None:
    tried(support_env, name)


def test_the_tally_is_a_table() -> None:
    rows = harness.table({"a": harness.Tally("kill", 5, 4, "none", "it ran on"), "b": "no disk"})
    assert rows[2:] == ["| kill | 4 / 5 | none | it ran on |", "| b | not tried: no disk | | |"]
