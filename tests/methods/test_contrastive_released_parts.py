"""Parts of contrastive methods that were recorded alone: AimCLR's drop, ISC's crossed queues."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from recorded import Recorded
from released_contrast import case_of, check_gradients, close, value
from replays import Made, contrasts, made, options, spied, train
from torch import Tensor, nn

from sslskel.api.batch import Batch, StepOutput
from sslskel.api.noise import Noise
from sslskel.methods.aimclr import attention, attention_drop

SEEDS = (0, 1)
WARM = 0.2


@pytest.mark.parametrize("seed", SEEDS)
def test_attention_drop(shared: Path, seed: int) -> None:
    case = case_of(shared, f"obj_simam_drop_seed{seed}")
    assert case.config["e_lambda"] == 1e-4
    for at in range(3):
        x = case.tensor(f"case{at}/x").permute(0, 2, 3, 1).requires_grad_()
        weight = attention(x.detach())
        close(weight.mean((1, 3)), case.tensor(f"case{at}/attention_joint"), 1e-5)
        close(weight.permute(0, 3, 2, 1).flatten(1, 2), case.tensor(f"case{at}/attention_element"), 1e-5)
        above = float(case[f"case{at}/keep_prob"])
        assert torch.equal(weight.mean((1, 3)) < above, case.tensor(f"case{at}/joint_kept").bool())
        kept = (weight < above).permute(0, 3, 2, 1).flatten(1, 2)
        # One value lies 8e-7 from the threshold.
        assert int((kept != case.tensor(f"case{at}/element_kept").bool()).sum()) < 6
        out = attention_drop(x, above, frames=False)
        close(out.detach().permute(0, 3, 1, 2), case.tensor(f"case{at}/y"), 5e-5)
        (out.permute(0, 3, 1, 2) * case.tensor(f"case{at}/grad_weight")).sum().backward()
        assert x.grad is not None
        close(x.grad.permute(0, 3, 1, 2), case.tensor(f"case{at}/grad_x"), 5e-5)


class Stub(nn.Module):
    """A recorded encoder of one linear layer; views are told apart by their coordinates."""

    def __init__(self, inputs: list[Tensor]) -> None:
        super().__init__()
        self.fc, self.inputs = nn.Linear(inputs[0].shape[1], inputs[0].shape[1]), inputs

    def forward(self, view: Batch, noise: Noise) -> Tensor:
        embedding: Tensor = self.fc(self.inputs[int(view.tracks[0, 0, 0, 0]) - 1])
        return nn.functional.normalize(embedding, dim=1)


def in_isc(name: str) -> str:
    """A recorded array of the stubs in ours."""
    if name.startswith(("Queue_S", "queue_ptr_S")):
        return {"1": "sequence", "2": "graph"}[name[-1]] + (".queue.entries" if name[0] == "Q" else ".queue.place")
    stub, _, rest = name.partition(".")
    towers = {"q": "sequence.query", "k": "sequence.key", "r": "graph.query", "l": "graph.key"}
    return f"{towers[stub[-1]]}.{rest}"


def crossed(case: Recorded, **more: object) -> tuple[Made, list[Batch]]:
    """ISC with the recorded encoders, and views that say by their coordinates which of two they are."""
    run = made("isc", *options(case, backbone__hidden=8, clip__frames=8, method__graph_width=2, **more))
    for part, which in zip(contrasts(run.method).values(), ("s1", "s2"), strict=True):
        inputs = [case.tensor(f"in/{which}_view{view}") for view in (1, 2)]
        part.query, part.key = Stub(inputs), Stub(inputs).requires_grad_(False)  # type: ignore[assignment]
    with torch.no_grad():
        for name, wanted in case.group("state/").items():
            run.method.state_dict()[in_isc(name)].copy_(wanted.T if name[0] == "Q" else wanted.squeeze())
    clips = torch.ones(len(case["in/s1_view1"]), 3, 1, 25, 1)
    return run, [Batch.from_dense(clips * number) for number in (1, 2)]


@pytest.mark.parametrize("seed", SEEDS)
class TestIscAcrossRepresentations:
    def test_a_step(self, shared: Path, seed: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        case = case_of(shared, f"obj_isc_inter_seed{seed}")
        run, views = crossed(case)
        calls = {name: spied(monkeypatch, one, "similarities") for name, one in contrasts(run.method).items()}

        def on_step(step: int, output: StepOutput) -> None:
            # A query of one meets keys of the other.
            for name, own, other, partner in (("sequence", "s1", "s2", "graph"), ("graph", "s2", "s1", "sequence")):
                assert value(output, name) == pytest.approx(float(case[f"loss/{own}"]), rel=1e-4)
                [((query, key), similar)] = calls[partner]
                close(query.detach(), case.tensor(f"out/q_{own}"))
                close(key, case.tensor(f"out/k_{other}"))
                close(similar.detach() / 0.07, case.tensor(f"out/logits_{own}"))
            assert float(output.loss().detach()) == pytest.approx(float(case["loss/total"]), rel=1e-4)
            check_gradients(run.method, case, in_isc, 1e-6)
            mine = run.method.state_dict()
            for name, wanted in case.group("state_after_forward/").items():
                if name.startswith(("encoder_q", "encoder_r")):
                    assert torch.equal(wanted, case.tensor(f"state/{name}")), "recorded before the optimiser"
                    continue
                found = mine[in_isc(name)]
                close(found.to(wanted.dtype), wanted.T if name[0] == "Q" else wanted.reshape(found.shape))

        train(run, views, tmp_path, on_step)

    def test_another_temperature(self, shared: Path, seed: int, tmp_path: Path) -> None:
        case = case_of(shared, f"obj_isc_inter_seed{seed}")

        def on_step(step: int, output: StepOutput) -> None:
            for name, which in (("sequence", "s1"), ("graph", "s2")):
                logits = case.tensor(f"out/logits_{which}").double() * (0.07 / WARM)
                wanted = float(nn.functional.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.int64)))
                assert value(output, name) == pytest.approx(wanted, rel=1e-4)

        train(*crossed(case, method__temperature=WARM), tmp_path, on_step)
