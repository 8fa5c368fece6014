"""Several optimisers that take turns: whose parameters move when, by which rate, resumed, refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_engine
from safetensors.torch import load_file
from toy_engine import Adversary, Toy, ToyConfig, train_config

from sslskel.api.batch import StepOutput
from sslskel.api.method import Progress
from sslskel.api.noise import Noise
from sslskel.api.turn import Turn
from sslskel.config.groups import Precision
from sslskel.engine.gradients import Part, StepSums
from sslskel.engine.guard import FIRST_SCALE, StepGuard
from sslskel.engine.turns import Turns, of_turn
from sslskel.errors import CheckpointError, Diverged, RunError, UsageError

CPU = torch.device("cpu")


def built(turns: Any, **train: Any) -> Turns:
    """The optimisers of a method with these turns, made from its critic's and its other parameters."""

    class Own(Adversary):
        def turns(self) -> tuple[Turn, ...]:
            critic = list(self.critic.parameters())
            others = [p for n, p in self.named_parameters() if p.requires_grad and not n.startswith("critic")]
            return turns(critic, others)

    return Turns(Own(ToyConfig()), train_config(**train), Precision.fp32, CPU)


def files(folder: Path, step: int) -> dict[str, bytes]:
    where = folder / f"step-{step:08d}"
    return {name: (where / name).read_bytes() for name in ("model.safetensors", "optimiser.safetensors")}


def test_each_turn_has_a_forward_pass_and_moves_its_own_parameters(tmp_path: Path) -> None:
    kept: dict[str, Any] = {}
    result = toy_engine.run(tmp_path, kind=Adversary, keep=kept, train={"epochs": 1, "batch_size": 11})
    assert result.steps == 2
    hooks = ["start 0", "critic 0", "generator 0", "end 0", "start 1", "critic 1", "generator 1", "end 1"]
    assert kept["method"].hooks == hooks
    first, last = toy_engine.lines(tmp_path)
    assert {"term/critic.tell", "term/generator.rebuild", "metric/critic.true", "metric/critic.lr"} <= set(last)
    assert first["metric/generator.lr"] == 0
    assert last["metric/generator.lr"] == pytest.approx(2 * last["metric/critic.lr"]), "the recipe's rate is half"
    before, after = Adversary(ToyConfig(), seed=3).state_dict(), load_file(result.checkpoint / "model.safetensors")
    assert not torch.equal(before["critic.0.weight"], after["critic.0.weight"])
    assert not torch.equal(before["inner.0.weight"], after["inner.0.weight"])


def test_a_turn_may_be_taken_at_some_steps_only(tmp_path: Path) -> None:
    class Rare(Adversary):
        every = 3

    kept: dict[str, Any] = {}
    toy_engine.run(tmp_path, kind=Rare, keep=kept, train={"epochs": 4, "batch_size": 11})
    assert [word for word in kept["method"].hooks if word.startswith("generator")] == ["generator 2", "generator 5"]


@pytest.mark.long
def test_a_killed_run_ends_with_the_same_bytes(tmp_path: Path) -> None:
    options = {"kind": "Adversary", "slow": 0.01, "train": {"epochs": 8}}
    whole = toy_engine.run(tmp_path / "whole", **options)
    script = [sys.executable, toy_engine.__file__, str(tmp_path / "cut"), json.dumps(options), "3", "11"]
    done = subprocess.run(script, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert any(step < whole.steps for step in json.loads(done.stdout)), "no run was killed before its end"
    assert files(tmp_path / "cut", whole.steps) == files(tmp_path / "whole", whole.steps)


def test_a_single_turn_keeps_the_names_of_a_checkpoint(tmp_path: Path) -> None:
    result = toy_engine.run(tmp_path / "one", train={"epochs": 1})
    assert "0.exp_avg" in load_file(result.checkpoint / "optimiser.safetensors")
    several = toy_engine.run(tmp_path / "two", kind=Adversary, train={"epochs": 1})
    tensors = load_file(several.checkpoint / "optimiser.safetensors")
    assert {name.partition("/")[0] for name in tensors} == {"critic", "generator"}
    method = Adversary(ToyConfig())
    turns = Turns(method, train_config(), Precision.fp32, CPU)
    with pytest.raises(CheckpointError, match=r"'0.exp_avg' is of no turn of the method, which has critic, generator"):
        turns.restore(load_file(result.checkpoint / "optimiser.safetensors"))


def test_parameters_of_no_turn_or_of_two_are_refused() -> None:
    with pytest.raises(UsageError, match=r"critic.2.weight, critic.2.bias would not be trained: put every parameter"):
        built(lambda critic, others: (Turn("a", [{"params": critic[:2]}]), Turn("b", [{"params": others}])))
    with pytest.raises(UsageError, match=r"critic.0.weight belongs to turn 'a' and turn 'b'; a parameter is updated"):
        built(lambda c, others: (Turn("a", [{"params": c}]), Turn("b", [{"params": [*others, c[0]]}])))
    with pytest.raises(UsageError, match="turns need names of their own, but they are called 'a', 'a'"):
        built(lambda critic, others: (Turn("a", [{"params": critic}]), Turn("a", [{"params": others}])))
    with pytest.raises(UsageError, match="at least one turn must be taken at every step"):
        built(lambda c, others: (Turn("a", [{"params": c}], every=2), Turn("b", [{"params": others}], every=3)))
    with pytest.raises(UsageError, match="turn 'a' is taken every 0 steps"):
        Turn("a", [], every=0)


def test_a_recipe_has_options_of_an_optimiser_only() -> None:
    train = train_config()
    assert of_turn(train, Turn("a", [], recipe={"lr": 0.5, "optimiser": "sgd"})).lr == 0.5
    with pytest.raises(UsageError, match=r"train.epochs applies to the whole run; it cannot be in the recipe of turn"):
        of_turn(train, Turn("a", [], recipe={"epochs": 3}))
    with pytest.raises(UsageError, match=r"the recipe of turn 'a': .*lt"):
        of_turn(train, Turn("a", [], recipe={"lt": 0.5}))
    with pytest.raises(UsageError, match=r"train.beta1 is 1.5"):
        of_turn(train, Turn("a", [], recipe={"beta1": 1.5}))


def test_a_group_may_be_clipped_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, float] = {}

    def step(self: torch.optim.Optimizer, closure: Any = None) -> None:
        for group in self.param_groups:
            name = "alone" if "clip_norm" in group else "rest"
            seen[name] = float(torch.linalg.vector_norm(torch.stack([p.grad.norm() for p in group["params"]])))

    monkeypatch.setattr("sslskel.engine.optimisers.Adam.step", step)
    monkeypatch.setattr(Adversary, "critic_norm", 1e-3)
    toy_engine.run(tmp_path, kind=Adversary, train={"epochs": 1, "batch_size": 22})
    assert seen["alone"] == pytest.approx(1e-3, rel=1e-2)
    assert seen["rest"] > 0.01


def test_groups_of_one_part_are_clipped_together() -> None:
    pairs = [(name, torch.nn.Parameter(torch.zeros(1))) for name in ("a", "b", "c")]
    groups = [{"params": [p], "clip_norm": 1.0, **({} if name == "c" else {"clip_part": "ab"})} for name, p in pairs]
    optimiser = torch.optim.SGD(groups, lr=1.0)
    guard = StepGuard(pairs, optimiser, 0.0, False, torch.zeros((), dtype=torch.bool))
    for _, parameter in pairs:
        parameter.grad = torch.tensor([3.0])
    guard.update(StepSums({"loss": torch.zeros(())}, {}, torch.zeros(2), None))
    ours = [float(p.grad) for _, p in pairs if p.grad is not None]
    assert ours == pytest.approx([0.5**0.5, 0.5**0.5, 1.0], rel=1e-5)


def test_a_fault_in_one_turn_ends_the_run_and_names_it(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"step 3: the loss term 'generator.rebuild' is nan"):
        toy_engine.run(tmp_path, kind=Adversary, method={"poisoned_step": 2})


def test_each_turn_has_a_loss_scale(tmp_path: Path) -> None:
    turns = Turns(Adversary(ToyConfig()), train_config(), Precision.fp16, CPU)
    tensors = turns.tensors()
    assert float(tensors["critic/loss_scale.scale"]) == FIRST_SCALE
    tensors = {**tensors, "critic/loss_scale.scale": torch.tensor(4.0)}
    turns.restore(tensors)
    after = turns.tensors()
    assert float(after["critic/loss_scale.scale"]) == 4
    assert float(after["generator/loss_scale.scale"]) == FIRST_SCALE


def test_an_overflow_skips_its_own_turn_alone() -> None:
    class Loud(Adversary):
        def forward(self, views: Any, noise: Noise, progress: Progress) -> StepOutput:
            terms = super().forward(views, noise, progress).terms
            loud = 1e6 if progress.turn == "generator" else 1.0
            return StepOutput({name: term._replace(scale=loud) for name, term in terms.items()})

    method = Loud(ToyConfig())
    turns = Turns(method, train_config(warmup_epochs=0), Precision.fp16, CPU)
    turns.restore({**turns.tensors(), "generator/loss_scale.scale": torch.tensor(3e38)})
    before = {name: value.clone() for name, value in method.state_dict().items()}
    rows, noise = torch.arange(4), Noise(0)
    part = Part((toy_engine.ToySource().batch(rows, "train", noise.view(0)),), 1.0)
    turns.step(method, [part], True, 4, noise, Progress(0, 5, 4), (0.0, 0.0))
    moved = {name.partition(".")[0] for name, value in method.state_dict().items() if not value.equal(before[name])}
    assert moved == {"critic"}
    after = turns.tensors()
    assert float(after["generator/loss_scale.scale"]) == pytest.approx(1.5e38)
    assert float(after["critic/loss_scale.scale"]) == FIRST_SCALE


def test_a_loss_that_misses_a_parameter_of_its_turn_is_refused(tmp_path: Path) -> None:
    class Swapped(Adversary):
        def turns(self) -> tuple[Turn, ...]:
            critic, generator = super().turns()
            return Turn("critic", generator.groups), Turn("generator", critic.groups)

    with pytest.raises(RunError, match=r"no loss term of turn 'critic' depends on a parameter that trains: tell"):
        toy_engine.run(tmp_path / "no", kind=Swapped)

    class Idle(Adversary):
        def turns(self) -> tuple[Turn, ...]:
            self.critic.idle = torch.nn.Parameter(torch.zeros(()))
            critic, generator = super().turns()
            return Turn("critic", [*critic.groups, {"params": [self.critic.idle]}]), generator

    with pytest.raises(RunError, match=r"the loss of turn 'critic' does not reach critic.idle, which belong to it"):
        toy_engine.run(tmp_path / "idle", kind=Idle)


@pytest.mark.parametrize("where", ["on_step_start", "on_step_end", "forward"])
def test_what_trains_may_not_change_in_a_run(tmp_path: Path, where: str) -> None:
    class Toggles(Toy):
        pass

    def toggled(self: Toy, *arguments: Any) -> Any:
        result = getattr(Toy, where)(self, *arguments)
        self.mask.requires_grad_(arguments[-1].step == -1 if where == "forward" else False)
        return result

    setattr(Toggles, where, toggled)
    with pytest.raises(RunError, match=r"requires_grad of mask was changed during training; .* make two stages"):
        toy_engine.run(tmp_path, kind=Toggles)
