"""Protocols judge on a device as on the host: the same outcomes, and no tensors of both sides in one operation."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from pretended import PRETENDED, pretending

from sslskel.api.protocol import Outcome
from sslskel.checks import protocol as module
from sslskel.checks.subjects import protocol_subject
from sslskel.data.loader import ClipSource
from sslskel.plugins.registry import PROTOCOLS

NAMES = sorted(entry.name for entry in PROTOCOLS.entries() if entry.source == "built-in")
QUICK = ["knn"]


def judged(name: str, device: torch.device, monkeypatch: pytest.MonkeyPatch) -> tuple[Outcome, dict[str, float]]:
    case: Any = protocol_subject(name).case
    with monkeypatch.context() as there:
        there.setattr(module, "ClipSource", functools.partial(ClipSource, device=device))
        parts, truth = case.parts(dtype=torch.float64)
    encoders = {"joint": case.encoder("usual").to(device, torch.float64)}
    protocol = case.plugin(case.config)
    outcome = protocol.evaluate(encoders, parts, replace(module.run_of(encoders, torch.float64), device=device))
    return outcome, protocol.score(outcome, truth)


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in QUICK else [pytest.mark.long]) for n in NAMES])
def test_outcomes_are_the_same_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, scores = judged(name, torch.device("cpu"), monkeypatch)
    with pretending():
        there, others = judged(name, PRETENDED, monkeypatch)
    assert others == pytest.approx(scores, rel=1e-6, abs=1e-9)
    assert np.array_equal(there.keys, usual.keys)
    assert there.values.keys() == usual.values.keys()
    for key, values in usual.values.items():
        np.testing.assert_allclose(there.values[key], values, rtol=1e-5, atol=1e-6)
