"""CPM after its description: two distributions over a queue, and positives that are mined from it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from small_methods import Small, small
from torch.nn import functional

from sslskel.contrastive import nearest
from sslskel.errors import UsageError
from sslskel.methods.cpm import CPM, CPMConfig, missed

EQUAL: dict[str, Any] = {"temperature": 0.1, "target_temperature": 0.1, "momentum": 1.0}


def cpm(**options: Any) -> tuple[Small, CPM]:
    made = small("cpm", queue=32, **options)
    assert isinstance(made.method, CPM)
    return made, made.method


def test_equal_embeddings_and_temperatures_have_no_loss_and_no_gradient() -> None:
    made, method = cpm(dtype=torch.float64, **EQUAL)
    made.views[1] = made.views[0]
    loss = made.term("match")
    loss.backward()
    assert abs(loss.item()) < 1e-12
    assert max(float(p.grad.abs().max()) for p in method.parameters() if p.grad is not None) < 1e-10


def test_the_divergence_is_positive_and_reaches_the_student_alone() -> None:
    made, method = cpm()
    loss = made.term("match")
    loss.backward()
    assert loss.item() > 0
    assert any(float(p.grad.abs().max()) > 0 for p in method.contrast.query.parameters() if p.grad is not None)
    assert all(p.grad is None for p in method.contrast.key.parameters())
    assert method.contrast.queue.entries.grad is None


def test_the_order_of_the_queue_does_not_matter() -> None:
    made, method = cpm(mining_epoch=0.0)
    wanted = {name: made.term(name).item() for name in ("match", "positives")}
    entries = method.contrast.queue.entries
    entries.copy_(entries[torch.randperm(len(entries), generator=torch.Generator().manual_seed(0))])
    assert {name: made.term(name).item() for name in wanted} == pytest.approx(wanted, rel=1e-5)


def test_positives_begin_with_their_epoch_and_none_of_them_leaves_the_first_stage() -> None:
    made, _ = cpm(mining_epoch=2.0, positives=3)
    assert set(made.output(1).terms) == {"match"}
    assert set(made.output(2).terms) == {"match", "positives"}
    without, _ = cpm(mining_epoch=0.0, positives=0)
    assert set(without.output(9).terms) == {"match"}


def test_exactly_the_nearest_entries_to_the_target_are_mined() -> None:
    made, method = cpm(mining_epoch=0.0, positives=3, momentum=1.0)
    contrast, config = copy.deepcopy(method.contrast), method.config
    student = contrast.neighbourhood(contrast.query(made.views[0], made.noise.view(0))) / config.temperature
    target = contrast.neighbourhood(contrast.keys(made.views[1], made.noise.view(1)))
    mined = nearest(target, 3)
    assert mined.sum(1).tolist() == [3] * 6
    wanted = -student.softmax(1)[mined].reshape(6, 3).sum(1).log().mean()
    torch.testing.assert_close(made.term("positives"), wanted)
    torch.testing.assert_close(missed(student, torch.ones_like(mined)), torch.zeros(6), atol=1e-5, rtol=0)


def test_the_own_key_is_in_no_comparison_of_its_step_and_in_the_queue_after_it() -> None:
    made, method = cpm(mining_epoch=0.0)
    before = method.contrast.queue.entries.clone()
    made.output()
    assert torch.equal(method.contrast.queue.entries, before)
    method.on_step_end(None, made.noise)  # type: ignore[arg-type]
    assert int((method.contrast.queue.entries != before).any(1).sum()) == 6


def test_a_cold_target_asks_for_its_nearest_entry() -> None:
    made, method = cpm(target_temperature=1e-4, momentum=1.0)
    contrast = copy.deepcopy(method.contrast)
    student = contrast.neighbourhood(contrast.query(made.views[0], made.noise.view(0))) / method.config.temperature
    target = contrast.neighbourhood(contrast.keys(made.views[1], made.noise.view(1)))
    first, second = target.topk(2).values.T
    assert float((first - second).min()) > 1e-3
    torch.testing.assert_close(made.term("match"), functional.cross_entropy(student, target.argmax(1)))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target_temperature": 0.2}, "method.target_temperature is 0.2; it must be positive and at most method.temp"),
        ({"mining_epoch": -1.0}, "method.mining_epoch is -1.0; it must be an epoch from 0"),
        ({"positives": -1}, "method.positives is -1; it must not be negative"),
        ({"positive_weight": -1.0}, "method.positive_weight is -1.0; it must be a number from 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError) as fault:
        CPMConfig(**options)  # type: ignore[arg-type]
    assert words in str(fault.value)
