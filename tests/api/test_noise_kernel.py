"""The kernel of keyed noise: the bits of the passes, one launch a draw, and the passes where it is not to be had."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from sslskel.api import fused
from sslskel.api.batch import Batch
from sslskel.api.noise import Noise

ROOT = Path(__file__).resolve().parents[2]
NEEDS_TRITON = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="Triton is not installed; .ci/full installs it"
)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module in the place of the kernel's, which the CPU asks for draws."""
    module = ModuleType("sslskel.api.noise_kernel")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(fused, "FUSED", ("cpu",))
    fused.forget()
    yield module
    fused.forget()


def bound() -> Noise:
    rows = torch.arange(3)
    batch = Batch(torch.zeros(3, 1, 1, 3), torch.ones(3, 1) > 0, rows, rows * 0, rows + 5, rows - 9, rows)
    return Noise(3, 4).on(batch)


def test_a_draw_is_one_call_of_the_kernel(kernel: Any) -> None:
    asked: list[tuple[int, int, torch.dtype]] = []

    def draws(stirred: Tensor, keys: Sequence[int], count: int, dtype: torch.dtype) -> Tensor:
        asked.append((len(keys), count, dtype))
        return torch.full((len(keys), len(stirred), count), 0.25 if dtype.is_floating_point else 1 << 62, dtype=dtype)

    kernel.draws = draws
    noise = bound()
    assert noise.uniform("u", (2, 3)).eq(0.25).all()
    # The kernel is tried before anything is drawn by it, once for the device.
    assert asked == [(1, 1, torch.float32), (1, 6, torch.float32)]
    noise.normal("n", (2,), dtype=torch.float64)
    noise.integers("i", 4, (5,), "clip")
    noise.permutation("p", 7, per="batch")
    assert asked[2:] == [(2, 2, torch.float64), (1, 5, torch.float64), (1, 7, torch.int64)]


def test_where_the_kernel_cannot_be_built_passes_draw_the_same_and_one_sentence_says_so(
    kernel: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def draws(*arguments: object) -> Tensor:
        raise RuntimeError("Failed to find C compiler")

    kernel.draws = draws
    with caplog.at_level(logging.WARNING, "sslskel"):
        drawn = bound().uniform("u", (4,)), bound().permutation("p", 5)
    assert len(caplog.messages) == 1
    assert "RuntimeError: Failed to find C compiler" in caplog.messages[0]
    fused.FUSED = ()
    assert torch.equal(drawn[0], bound().uniform("u", (4,)))
    assert torch.equal(drawn[1], bound().permutation("p", 5))


def test_without_triton_passes_draw_and_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    known = bound().uniform("u", (4,))
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.delitem(sys.modules, "sslskel.api.noise_kernel", raising=False)
    monkeypatch.setattr(fused, "FUSED", ("cpu",))
    fused.forget()
    assert torch.equal(bound().uniform("u", (4,)), known)
    assert not caplog.messages
    fused.forget()
    # With Triton there is more in it.
    del sys.modules["sslskel.api.noise_kernel"]


def said_by(script: str, **environment: str) -> dict[str, Any]:
    """What a script of tests/support prints, in a process of its own."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **environment}
    command = [sys.executable, str(ROOT / "tests" / "support" / script)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.mark.long
@NEEDS_TRITON
def test_the_kernel_draws_the_bits_of_the_passes() -> None:
    """By Triton's interpreter, which runs kernels on the CPU: every kind of draw, key, seed and size."""
    said = said_by("drawn_by_kernel.py", TRITON_INTERPRET="1")
    assert said["wrong"] == []
    assert said["compared"] > 1000
    # Where the draws of a step are spread over its clips, those of the step, those of the batch, and those within.
    assert said["launches"].pop("stratified") == 3
    assert set(said["launches"].values()) == {1}


@pytest.mark.long
@NEEDS_TRITON
def test_the_kernel_is_compiled_for_gpus_once_for_each_type(tmp_path: Path) -> None:
    said = said_by("built_for_gpus.py", TRITON_CACHE_DIR=str(tmp_path))
    assert len(said["built"]) == 6
    assert all(size > 0 for size in said["built"].values())
    assert said["specialised"] == ["made"]
