"""What the loop promises any method: terms, parts, hooks, precision, weights to start from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from toy_engine import Mixing, Still, Toy, ToyConfig, ToySource, lines, run, train_config
from trained_weights import assert_close, assert_equal, weights

from sslskel.api.batch import StepOutput
from sslskel.api.method import Progress
from sslskel.api.noise import Noise
from sslskel.engine.checkpoint import load_weights, read_state
from sslskel.engine.initial import Start, load_whole
from sslskel.engine.schedule import learning_rate
from sslskel.errors import CheckpointError, RunError, UsageError


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_the_loop_equals_one_written_by_hand(tmp_path: Path, kind: str) -> None:
    """Plain torch optimiser, no engine part but the schedule and the batches that the source handed out."""
    choice = {"optimiser": kind, "clip_norm": 0.0, "epochs": 2}
    kept: dict[str, Any] = {}
    result = run(tmp_path, precision="fp64", method={"terms": 2}, train=choice, keep=kept)
    method, source, train = (
        Toy(ToyConfig(terms=2), seed=3).double(),
        ToySource(dtype=torch.float64),
        train_config(**choice),
    )
    groups = method.parameter_groups()
    plain: torch.optim.Optimizer
    if kind == "sgd":
        plain = torch.optim.SGD(groups, train.lr, momentum=train.momentum, weight_decay=train.weight_decay)
    else:
        plain = torch.optim.AdamW(groups, train.lr, (train.beta1, train.beta2), weight_decay=train.weight_decay)
    for step, rows in enumerate(kept["source"].drawn):
        progress, noise = Progress(step, 6, 2), Noise(3, step)
        for group in plain.param_groups:
            group["lr"] = learning_rate(train, step / 6)
        with torch.no_grad():
            method.on_step_start(progress, noise)
        loss = method((source.batch(torch.tensor(rows), "train", noise.view(0)),), noise, progress).loss()
        plain.zero_grad()
        loss.backward()
        plain.step()
        method.on_step_end(progress, noise)
    for name, value in method.state_dict().items():
        torch.testing.assert_close(weights(result)[name], value, rtol=0, atol=1e-12, msg=name)
    assert result.loss == pytest.approx(loss.item(), abs=1e-12)


@pytest.mark.parametrize("terms", [1, 2])
@pytest.mark.parametrize("parts", [2, 4])
def test_a_batch_in_parts_gives_the_same_update(tmp_path: Path, terms: int, parts: int) -> None:
    options: dict[str, Any] = {"precision": "fp64", "method": {"terms": terms}}
    whole = run(tmp_path / "1", **options)
    cut = run(tmp_path / "2", train={"accumulate": parts}, **options)
    assert_close(whole, cut, 1e-9)
    for one, other in zip(lines(tmp_path / "1"), lines(tmp_path / "2"), strict=True):
        for name in ("loss", "gradient_norm", "lr"):
            assert one[name] == pytest.approx(other[name], abs=1e-9), name
        assert (
            {k for k in one if k.startswith("term/")} == {"term/rebuild", "term/agree"}
            if terms == 2
            else {"term/rebuild"}
        )


def test_parts_are_refused_where_clips_see_each_other(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"train.accumulate=2 .* Mixing"):
        run(tmp_path, kind=Mixing, train={"accumulate": 2})

    class Normed(Toy):
        def __init__(self, config: ToyConfig, seed: int) -> None:
            super().__init__(config, seed)
            self.inner[1].batch_statistics = True

    with pytest.raises(UsageError, match="accumulate"):
        run(tmp_path, kind=Normed, train={"accumulate": 2})
    assert not list(tmp_path.glob("step-*"))


@pytest.mark.parametrize(("poison", "named"), [("loss", "loss term 'rebuild' is nan"), ("gradient", "'inner.3.bias'")])
def test_a_step_that_is_not_finite_names_step_clips_and_cause_and_changes_nothing(
    tmp_path: Path, poison: str, named: str
) -> None:
    seen: dict[int, dict[str, Tensor]] = {}

    class Watched(Toy):
        def on_step_start(self, progress: Progress, noise: Noise) -> None:
            seen[progress.step] = {name: p.detach().clone() for name, p in self.named_parameters() if p.requires_grad}

    kept: dict[str, Any] = {}
    with pytest.raises(RunError) as caught:
        run(tmp_path, kind=Watched, method={"poisoned_step": 8, "poison": poison}, keep=kept)
    clips = [f"clip-{row:03d}" for row in kept["source"].drawn[8]]
    assert str(caught.value).startswith("step 9: ")
    assert named in str(caught.value)
    assert ", ".join(clips) in str(caught.value)
    assert caught.value.exit_code == 1
    assert json.loads((tmp_path / "non_finite.json").read_text())["clips"] == clips
    for name, value in kept["method"].named_parameters():
        if value.requires_grad:
            assert torch.equal(value, seen[8][name]), name
    assert read_state(tmp_path)["step"] == 6
    assert [line["step"] for line in lines(tmp_path)] == list(range(1, 9))


def test_hooks_run_once_per_step_in_order_and_buffers_are_kept(tmp_path: Path) -> None:
    kept: dict[str, Any] = {}
    result = run(tmp_path, train={"epochs": 1}, keep=kept)
    assert kept["method"].hooks == [f"{when} {step}" for step in range(6) for when in ("start", "end")]
    assert int(weights(result)["steps_seen"]) == 6


def test_a_method_that_does_not_train_keeps_its_start(tmp_path: Path) -> None:
    kept: dict[str, Any] = {}
    result = run(tmp_path, kind=Still, keep=kept)
    assert (result.steps, kept["source"].drawn, result.checkpoint.name) == (0, [], "step-00000000")
    assert torch.equal(weights(result)["inner.0.weight"], Toy(ToyConfig(), seed=3).inner[0].weight)
    assert read_state(tmp_path)["finished"]
    assert run(tmp_path, kind=Still).checkpoint == result.checkpoint


def test_nothing_reads_or_moves_the_global_generators(tmp_path: Path) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = run(tmp_path / "a")
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert_equal(first, run(tmp_path / "b"))
    assert weights(run(tmp_path / "c", seed=4))["inner.0.weight"].ne(weights(first)["inner.0.weight"]).any()


def test_bf16_trains_in_float32_weights_and_leaves_the_method_as_it_was(tmp_path: Path) -> None:
    kept: dict[str, Any] = {}
    full, half = run(tmp_path / "32"), run(tmp_path / "16", precision="bf16", keep=kept)
    assert all(value.dtype == torch.float32 for name, value in weights(half).items() if name != "steps_seen")
    assert 0 < abs(full.loss - half.loss) < 0.02
    assert "forward" not in vars(kept["method"]) or kept["method"].forward.__func__ is Toy.forward


def test_float64_runs_in_float64(tmp_path: Path) -> None:
    result = run(tmp_path, precision="fp64")
    assert weights(result)["inner.0.weight"].dtype == torch.float64
    moments = load_file(result.checkpoint / "optimiser.safetensors")
    assert {value.dtype for name, value in moments.items() if name.endswith("exp_avg")} == {torch.float64}


def test_fp16_is_refused_on_a_cpu(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fp16"):
        run(tmp_path / "x", precision="fp16")
    assert not (tmp_path / "x").exists()


def starting(path: Path) -> Start:
    return lambda method: load_whole(method, path)


def test_weights_to_start_from(tmp_path: Path) -> None:
    first = run(tmp_path / "first")
    kept: dict[str, Any] = {}
    second = run(tmp_path / "second", init=starting(tmp_path / "first"), kind=Still, keep=kept)
    assert_equal(first, second)
    with pytest.raises(CheckpointError, match=r"do not fit Toy: .*inner.0.weight is 16 x 36, not 8 x 36"):
        run(tmp_path / "third", init=starting(first.checkpoint), method={"width": 8})
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        run(tmp_path / "fourth", init=starting(tmp_path / "nowhere"))


def test_a_method_without_parameters_is_told_apart_from_one_that_does_not_train(tmp_path: Path) -> None:
    class Frozen(Toy):
        def __init__(self, config: ToyConfig, seed: int) -> None:
            super().__init__(config, seed)
            self.requires_grad_(False)

    with pytest.raises(UsageError, match="no parameter to train"):
        run(tmp_path, kind=Frozen)


def test_terms_that_come_and_go_between_parts_are_refused(tmp_path: Path) -> None:
    class Fickle(Toy):
        def forward(self, views: Any, noise: Noise, progress: Progress) -> StepOutput:
            output = super().forward(views, noise, progress)
            terms = dict(output.terms)
            if int(views[0].key[0]) % 2:
                terms["odd"] = terms["rebuild"]
            return StepOutput(terms)

    with pytest.raises(RunError, match="same loss terms"):
        run(tmp_path, kind=Fickle, train={"accumulate": 4})


def test_loaded_weights_are_those_of_the_method(tmp_path: Path) -> None:
    kept: dict[str, Any] = {}
    result = run(tmp_path, keep=kept)
    for name, value in kept["method"].state_dict().items():
        assert torch.equal(load_weights(result.checkpoint)[name], value), name
