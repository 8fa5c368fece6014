"""Linear recipes as data, the grid of rates, the best test epoch, and fine-tuning's starting points."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from replays import spied
from torch import Tensor
from toy_features import Pass, problem, run_of

import sslskel.evaluation.linear_training
from sslskel.api.batch import Batch
from sslskel.api.protocol import Outcome, Truth
from sslskel.checks.protocol import ProtocolCase
from sslskel.config.compose import compose, from_plain, shaping, to_plain
from sslskel.config.groups import Optimiser, Schedule
from sslskel.errors import UsageError
from sslskel.evaluation.diagnostics import best_test_epoch, best_test_head
from sslskel.evaluation.finetune_config import FineTuneConfig, Start
from sslskel.evaluation.linear_head import HeadStart
from sslskel.evaluation.linear_training import LinearConfig, LinearTraining
from sslskel.evaluation.selection import Report
from sslskel.plugins.registry import PROTOCOLS
from sslskel.protocols.finetune import FineTune
from sslskel.protocols.linear import Linear
from sslskel.protocols.occlusion import OcclusionConfig
from sslskel.results.record import CHOSEN_ON_TEST


def recipe(name: str, **changes: Any) -> LinearConfig:
    config = from_plain(LinearConfig, PROTOCOLS.preset(name)["config"], name)
    return dataclasses.replace(config, **changes)


def test_recipes_are_those_of_the_released_code() -> None:
    crossclr, cmd = recipe("linear_crossclr"), recipe("linear_cmd")
    assert (crossclr.lr, crossclr.augment, crossclr.norm, crossclr.recipe) == (3.0, False, False, "crossclr")
    assert (cmd.lr, cmd.augment, cmd.norm, cmd.batch_size) == (0.1, True, False, 64)
    pstl = recipe("linear_pstl")
    assert (pstl.optimiser, pstl.lr, pstl.batch_size, pstl.epochs) == (Optimiser.adam, 0.01, 128, 150)
    assert (pstl.augment, pstl.norm, pstl.label()) == (False, False, "pstl")
    assert crossclr.label() == "crossclr"
    ms2l = recipe("linear_ms2l")
    assert (ms2l.optimiser, ms2l.lr, ms2l.batch_size, ms2l.epochs) == (Optimiser.adam, 0.001, 256, 60)
    assert (ms2l.head_start, ms2l.clip_norm, ms2l.milestones) == (HeadStart.xavier, 10.0, [30])
    for name, rate, epochs in (("usdrl", 0.006, 160), ("umurl", 0.03, 150)):
        axes = recipe(f"linear_{name}")
        assert (axes.lr, axes.epochs, axes.batch_size, axes.milestones) == (rate, epochs, 512, [120, 140])
        assert (axes.norm, axes.augment, axes.label()) == (False, False, name)
    ascal = recipe("linear_ascal")
    assert (ascal.nesterov, ascal.lr, ascal.epochs, ascal.batch_size, ascal.norm) == (True, 1.0, 90, 32, False)
    macdiff = recipe("linear_macdiff")
    assert (macdiff.level, macdiff.lr, macdiff.norm, macdiff.epochs, macdiff.batch_size) == (
        "joints",
        0.1,
        True,
        100,
        256,
    )
    teacher = recipe("linear_skeleton2vec")
    assert (teacher.milestones, teacher.decay, teacher.norm, teacher.batch_size) == ([10, 30, 50], 0.1, True, 128)
    assert dataclasses.replace(crossclr, lr=1.0).label() == "crossclr (lr=1.0)"


def test_the_heads_of_slim_are_a_grid_on_its_own_levels() -> None:
    slim = recipe("linear_slim")
    assert (len(slim.rates), slim.rates[0], slim.rates[-1]) == (13, 2.5e-6, 0.025)
    assert (len(slim.levels) * len(slim.rates), slim.levels[1]) == (52, "token_and_mean")
    assert (slim.norm, slim.epochs, slim.report, slim.label()) == (False, 10, Report.best_test_head, "slim")


def test_the_head_of_amr_is_mamps_at_a_tenth_of_the_rate() -> None:
    amr = recipe("linear_amr")
    assert amr == dataclasses.replace(LinearConfig(), recipe="amr", lr=0.01)
    assert amr.label() == "amr"


def test_a_head_trained_with_adam_learns_and_is_another_one() -> None:
    parts, truth = problem(spread=1.5)
    adam = Linear(LinearConfig(epochs=20, min_steps=0, lr=0.01, optimiser=Optimiser.adam))
    outcome = adam.evaluate({"joint": Pass(12)}, parts, run_of())
    assert adam.score(outcome, truth)["top1"] > 0.5
    assert "optimiser=adam" in outcome.info["recipe"]
    with pytest.raises(UsageError, match=r"protocol\.optimiser is adamw"):
        LinearConfig(optimiser=Optimiser.adamw)


def test_an_option_that_came_later_leaves_the_identity_of_what_was_before() -> None:
    plain = to_plain(LinearConfig())
    assert "optimiser" not in shaping("protocol", plain)
    assert shaping("protocol", plain | {"optimiser": "adam"})["optimiser"] == "adam"
    for protocol, names in (("linear", {"nesterov", "clip_norm", "head_start"}), ("semi", {"in_order"})):
        old = compose("random_init", backbone="transformer", preset="released", protocol=protocol)
        assert names <= set(to_plain(old.protocol))
        assert not names & set(old.plain()["protocol"])
    new = compose(
        "random_init",
        backbone="transformer",
        preset="released",
        protocol="linear",
        overrides=["protocol.nesterov=true"],
    )
    assert new.plain()["protocol"]["nesterov"] is True


def test_a_head_refuses_nesterov_where_there_is_no_momentum() -> None:
    for changes in ({"momentum": 0.0}, {"optimiser": Optimiser.adam, "lr": 0.01}):
        with pytest.raises(UsageError, match=r"protocol\.nesterov=true needs"):
            LinearConfig(nesterov=True, **changes)


def test_a_head_s_gradient_can_be_clipped_and_its_start_be_xavier_s() -> None:
    parts, truth = problem(spread=1.5)
    plain = Linear(LinearConfig(epochs=1, min_steps=0)).evaluate({"joint": Pass(12)}, parts, run_of())
    clipped = Linear(LinearConfig(epochs=1, min_steps=0, clip_norm=1e-6)).evaluate({"joint": Pass(12)}, parts, run_of())
    assert np.abs(clipped.values["logits"]).max() < 0.2 < np.abs(plain.values["logits"]).max()
    assert clipped.info["recipe"] == "mamp (epochs=1, min_steps=0, clip_norm=1e-06)"
    start = LinearTraining(LinearConfig(head_start=HeadStart.xavier), {"joint": Pass(12)}, parts.train, 8, run_of())
    deviation = float(start.reported[0].heads["joint"].fc.weight.detach().std())
    assert deviation == pytest.approx((2 / 20) ** 0.5, rel=0.2)
    assert truth.classes == parts.classes


def test_a_grid_reports_the_rate_that_is_best_on_held_out_clips_trained_on_all() -> None:
    parts, truth = problem(spread=1.5)
    config = LinearConfig(epochs=10, min_steps=0, rates=[1e-6, 0.1])
    outcome = Linear(config).evaluate({"joint": Pass(12)}, parts, run_of())
    assert outcome.info["rate"] == 0.1
    assert outcome.info["labels"] == 300
    alone = Linear(LinearConfig(epochs=10, min_steps=0)).evaluate({"joint": Pass(12)}, parts, run_of())
    assert np.allclose(outcome.values["logits"], alone.values["logits"], atol=1e-5)
    assert len(recipe("linear_grid").rates) > 3
    with pytest.raises(UsageError, match="validation part"):
        Linear(config).evaluate({"joint": Pass(12)}, parts._replace(fit=None, validation=None), run_of())
    assert truth.classes == parts.classes


class Narrow(Pass):
    """Has a level with two numbers of the feature."""

    levels: ClassVar[dict[str, int]] = {"other": 2}  # type: ignore[misc]

    def level(self, name: str, batch: Batch) -> Tensor:
        return self.clip(batch)[:, : self.levels[name]]


def test_a_grid_over_levels_reports_the_one_that_is_best_on_held_out_clips() -> None:
    parts, truth = problem(spread=1.5)
    config = LinearConfig(epochs=10, min_steps=0, rates=[1e-6, 0.1], levels=["", "other"], report=Report.best_test_head)
    encoders = {"joint": Narrow(12)}
    outcome = Linear(config).evaluate(encoders, parts, run_of())
    assert (outcome.info["level"], outcome.info["rate"]) == ("feature", 0.1)
    alone = Linear(LinearConfig(epochs=10, min_steps=0)).evaluate({"joint": Pass(12)}, parts, run_of())
    assert np.allclose(outcome.values["logits"], alone.values["logits"], atol=1e-5)
    turned = Linear(dataclasses.replace(config, levels=["other", ""])).evaluate(encoders, parts, run_of())
    assert turned.info["level"] == "feature"
    assert set(outcome.by_head) == {f"{level} at {rate}" for level in ("feature", "other") for rate in ("1e-06", "0.1")}
    reported = outcome.by_head["feature at 0.1"]
    assert np.array_equal(reported, outcome.values["logits"].argmax(1))
    best = best_test_head(outcome, truth)
    accuracies = {name: (predicted == truth.labels).mean() for name, predicted in outcome.by_head.items()}
    assert best is not None
    assert (best["top1"], best["heads"]) == (max(accuracies.values()), 4)
    assert accuracies[str(best["head"])] == best["top1"]
    assert "levels=['', 'other']" in outcome.info["recipe"]


def test_a_grid_over_levels_needs_rates_to_choose_by() -> None:
    for changes in ({"levels": ["joints"]}, {"levels": ["joints"], "level": "joints", "rates": [0.1]}):
        with pytest.raises(UsageError, match=r"protocol\.levels needs protocol\.rates"):
            LinearConfig(**changes)
    with pytest.raises(UsageError, match="names a level twice"):
        LinearConfig(levels=["joints", "joints"], rates=[0.1])
    with pytest.raises(UsageError, match="needs a grid of heads"):
        LinearConfig(report=Report.best_test_head)
    with pytest.raises(UsageError, match="selected or best_test_epoch"):
        FineTuneConfig(report=Report.best_test_head)
    with pytest.raises(UsageError, match="occlusion reads one level"):
        OcclusionConfig(levels=["joints"], rates=[0.1])


def test_the_best_test_epoch_is_the_harness_s_and_changes_nothing_reported() -> None:
    parts, truth = problem(spread=1.5)
    plain = Linear(LinearConfig(epochs=6, min_steps=0)).evaluate({"joint": Pass(12)}, parts, run_of())
    assert plain.by_epoch is None
    shown = Linear(LinearConfig(epochs=6, min_steps=0, report=Report.best_test_epoch)).evaluate(
        {"joint": Pass(12)}, parts, run_of()
    )
    assert shown.by_epoch is not None
    assert shown.by_epoch.shape == (6, 300)
    assert np.array_equal(shown.values["logits"], plain.values["logits"])
    assert shown.info["recipe"] == plain.info["recipe"]
    best = best_test_epoch(shown, truth)
    accuracies = (shown.by_epoch == truth.labels).mean(1)
    assert best == {"top1": accuracies.max(), "epochs": [int(accuracies.argmax()) + 1], "marked": CHOSEN_ON_TEST}


def test_the_best_epoch_of_each_draw_is_averaged() -> None:
    keys, truth = np.array([1, 2, 1, 2]), Truth(np.array([1, 2]), np.array([0, 1]), ("a", "b"))
    by_epoch = np.array([[0, 0, 0, 1], [0, 1, 1, 1]])
    outcome = Outcome(keys, {}, draw=np.array([0, 0, 1, 1]), by_epoch=by_epoch)
    assert best_test_epoch(outcome, truth) == {"top1": 1.0, "epochs": [2, 1], "marked": CHOSEN_ON_TEST}


CHECK_CONFIG = {"epochs": 2, "hidden": 8, "warmup_epochs": 0.0, "batch_size": 16}


def test_fine_tuning_from_scratch_needs_new_weights_and_uses_them() -> None:
    from sslskel.checks.protocol import run_of as run_on

    case = ProtocolCase(FineTune, FineTuneConfig(**CHECK_CONFIG))
    parts, _ = case.parts()
    encoder = case.encoder("leaking")
    with torch.no_grad():
        encoder.linear.weight.mul_(0)
    run = dataclasses.replace(run_on({"joint": encoder}), fresh=lambda: {"joint": case.encoder("leaking")})
    tuned = FineTune(FineTuneConfig(**CHECK_CONFIG)).evaluate({"joint": encoder}, parts, run)
    scratch = FineTune(FineTuneConfig(**CHECK_CONFIG, start=Start.scratch)).evaluate({"joint": encoder}, parts, run)
    usual = FineTune(FineTuneConfig(**CHECK_CONFIG)).evaluate({"joint": case.encoder("leaking")}, parts, run)
    assert np.array_equal(scratch.values["logits"], usual.values["logits"])
    assert not np.array_equal(scratch.values["logits"], tuned.values["logits"])
    with pytest.raises(UsageError, match="builds a new network"):
        FineTune(FineTuneConfig(**CHECK_CONFIG, start=Start.scratch)).evaluate(
            {"joint": encoder}, parts, dataclasses.replace(run, fresh=None)
        )


def test_a_head_s_rate_can_fall_along_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    parts, _ = problem(spread=1.5)
    fitted = spied(monkeypatch, sslskel.evaluation.linear_training, "fit_epoch")
    config = LinearConfig(epochs=2, min_steps=0, lr=0.8, batch_size=100, schedule=Schedule.linear)
    Linear(config).evaluate({"joint": Pass(12)}, parts, run_of())
    rates = [rate for arguments, _ in fitted for rate in arguments[5]]
    assert rates == pytest.approx([0.8 * (1 - at / len(rates)) for at in range(len(rates))])
    assert len(rates) == 6
