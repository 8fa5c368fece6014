"""The script that times contrastive parts compares equal things, in brackets."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

from sslskel.backbones._gru import GruConfig
from sslskel.backbones.gru_stepped import GruStepped
from sslskel.checks._subjects import dataset_info, make_spec

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "contrastive_speed" / "measure.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    found = importlib.util.spec_from_file_location("contrastive_speed", SCRIPT)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_the_loop_over_frames_gives_the_fused_numbers(script: ModuleType) -> None:
    torch.manual_seed(0)
    fused = GruStepped(GruConfig(hidden=6, layers=3, input_norm=False), make_spec(dataset_info())).double()
    x = torch.randn(3, 10, 150)
    loop = script.frame_loop(fused.float(), x)
    torch.testing.assert_close(loop(), fused.run(x), rtol=0, atol=1e-6)


def test_a_ratio_is_that_of_brackets(script: ModuleType) -> None:
    order: list[str] = []

    class Hours:
        def seconds(self, run) -> float:  # type: ignore[no-untyped-def]
            run()
            return 6.0 if order[-1] == "a" else 2.0

    found = script.bracketed(lambda: order.append("a"), lambda: order.append("b"), 3, Hours())
    assert "".join(order) == "ab" + 3 * "abba"
    assert (found["first"], found["second"], found["ratio"]) == (6.0, 2.0, 3.0)
