"""What a step would take on a GPU that is not here: counted operations, arithmetic, bytes, and a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sslskel.config.groups import Precision
from sslskel.grid.request import GridRequest
from sslskel.plugins.registry import BENCHMARKS
from sslskel.speed.estimate import plan
from sslskel.speed.expected import CLIPS, LAUNCH_SECONDS, PEAKS, Work, sentence, step_seconds, work_of

QUICK = ("train.epochs=2", "backbone.dim=8", "backbone.depth=1")


def test_products_are_arithmetic_and_all_else_is_moved_bytes() -> None:
    a = torch.ones(4, 8)

    def step(clips: int) -> None:
        product = a @ a.T.contiguous()[:, :clips]
        product.view(-1).add_(1)

    counted = work_of(step, 3)
    copied, added = 2 * 32 * 4, 2 * 12 * 4
    assert counted == Work(3, 3, 2 * 4 * 8 * 3, copied + added)


def test_the_longer_of_host_and_device_counts() -> None:
    few = Work(clips=2, operations=1000, flops=1e9, moved=1e6)
    assert step_seconds(few, 2, Precision.bf16) == pytest.approx(1000 * LAUNCH_SECONDS)
    many = step_seconds(few, 20_000, Precision.bf16)
    assert many == pytest.approx(1e13 / (0.4 * 989e12) + 1e10 / 3.35e12)
    assert step_seconds(few, 20_000, Precision.fp32) > many


def test_every_precision_has_a_peak() -> None:
    assert {precision.value for precision in Precision} <= set(PEAKS)


def test_the_sentence_says_that_nothing_was_measured() -> None:
    text = sentence("mine", Work(2, 1000, 1e9, 1e6), 100, Precision.bf16, 10)
    assert text.startswith("mine: computed, not measured: on one H100 in bf16 a step of 100 clips takes about 11 ms")
    assert f"10 epochs of NTU RGB+D 60 ({CLIPS:,} clips)" in text


def test_clips_are_those_of_the_benchmark() -> None:
    assert BENCHMARKS.get("ntu60").expected["xsub/train"] == CLIPS


def test_a_dry_run_says_it_of_methods_that_train(tiny: str, tmp_path: Path) -> None:
    rows = plan(
        GridRequest(
            methods=("mamp", "random_init"),
            protocols=("knn",),
            benchmarks=("tiny",),
            overrides=QUICK,
            output=tmp_path,
        )
    )
    assert [bool(row.expected) for row in rows] == [True, False]
    assert "mamp: computed, not measured: on one H100 in fp32" in rows[0].expected[0]
