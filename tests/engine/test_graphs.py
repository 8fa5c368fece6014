"""Losses and encoders of all methods as graphs without breaks; ``graphs.json`` says which are none, and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from graphs import faults_of

from sslskel.plugins.registry import METHODS

KNOWN = Path(__file__).with_name("graphs.json")
MOST = 29
"""Graphs that are none; fewer only."""
TRAINED = sorted(name for name in METHODS.names() if METHODS.get(name).trains)


@pytest.mark.long
@pytest.mark.parametrize("name", TRAINED)
def test_a_method_is_graphs(name: str) -> None:
    known, now = json.loads(KNOWN.read_text()).get(name, {}), faults_of(name)
    assert not now.keys() - known.keys(), {graph: now[graph] for graph in now.keys() - known.keys()}
    assert now.keys() == known.keys(), f"{sorted(known.keys() - now.keys())} are graphs now: take them out of {KNOWN}"


def test_what_is_no_graph_is_a_method_with_a_reason() -> None:
    known = json.loads(KNOWN.read_text())
    assert list(known) == sorted(known)
    assert set(known) <= set(TRAINED)
    assert all(reason for faults in known.values() for reason in faults.values())
    assert sum(map(len, known.values())) == MOST
