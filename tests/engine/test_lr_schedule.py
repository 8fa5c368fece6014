"""Learning rates against those recorded from the released code, and by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
from recorded import Recorded

from sslskel.config.groups import Schedule, TrainConfig
from sslskel.engine.optim import build_optimiser, set_rate
from sslskel.engine.schedule import learning_rate
from sslskel.errors import UsageError


def test_warm_up_and_cosine_equal_the_released_ones(shared: Path) -> None:
    recorded = Recorded(shared / "golden" / "lr_sched.npz")
    cases = recorded.beginnings()
    assert cases
    for case in cases:
        lr, min_lr, warm, epochs = recorded[f"{case}/args_lr_min_warm_epochs"]
        train = TrainConfig(epochs=int(epochs), lr=float(lr), min_lr=float(min_lr), warmup_epochs=float(warm))
        ours = [learning_rate(train, float(epoch)) for epoch in recorded[f"{case}/epoch"]]
        np.testing.assert_allclose(ours, recorded[f"{case}/lr"], rtol=1e-12, atol=1e-15)


def test_the_rate_starts_at_zero_peaks_after_warm_up_and_ends_at_the_minimum() -> None:
    train = TrainConfig(epochs=10, lr=1.0, min_lr=0.2, warmup_epochs=2)
    rates = [learning_rate(train, epoch) for epoch in (0, 1, 2, 6, 10)]
    assert rates == pytest.approx([0, 0.5, 1.0, 0.6, 0.2])


def test_steps_multiply_the_rate_at_their_epochs() -> None:
    train = TrainConfig(epochs=10, lr=1.0, warmup_epochs=1, schedule=Schedule.step, milestones=[4, 8], decay=0.1)
    assert [learning_rate(train, epoch) for epoch in (0.5, 3.99, 4, 8)] == pytest.approx([0.5, 1.0, 0.1, 0.01])


def test_a_line_falls_by_the_same_amount_in_every_epoch() -> None:
    train = TrainConfig(epochs=10, lr=1.0, min_lr=0.2, warmup_epochs=2, schedule=Schedule.linear)
    rates = [learning_rate(train, epoch) for epoch in (1, 2, 4, 6, 10, 12)]
    assert rates == pytest.approx([0.5, 1.0, 0.8, 0.6, 0.2, 0.2])


def test_constant_stays_after_warm_up() -> None:
    train = TrainConfig(epochs=10, lr=0.3, warmup_epochs=0, schedule=Schedule.constant)
    assert {learning_rate(train, epoch / 7) for epoch in range(70)} == {0.3}


def test_steps_without_milestones_are_refused() -> None:
    with pytest.raises(UsageError, match="milestones"):
        TrainConfig(schedule=Schedule.step)


def test_warm_up_as_long_as_the_run_has_no_division_by_zero() -> None:
    train = TrainConfig(epochs=5, lr=1.0, min_lr=0.1, warmup_epochs=5)
    assert learning_rate(train, 4.5) == pytest.approx(0.9)
    assert learning_rate(train, 5) == pytest.approx(1.0)


def test_the_rate_of_a_group_is_a_share_of_the_rate() -> None:
    first, second = (torch.nn.Parameter(torch.zeros(2)) for _ in range(2))
    optimiser = build_optimiser([{"params": [first], "lr_scale": 0.5}, {"params": [second]}], TrainConfig())
    set_rate(optimiser, 0.2)
    assert [group["lr"] for group in optimiser.param_groups] == pytest.approx([0.1, 0.2])
