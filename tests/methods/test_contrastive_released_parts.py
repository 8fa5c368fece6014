"""Parts of contrastive methods that were recorded alone: AimCLR's drop, ISC's crossed queues, PCM3 at full size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from released_contrast import (
    Case,
    batch,
    case_of,
    check_gradients,
    check_state,
    clip_spec,
    close,
    common,
    gru,
    steps,
    value,
)
from released_pcm3 import check_pcm3_step, in_pcm3, pcm3, pcm3_draws
from torch import Tensor, nn

from sslskel.api.batch import Batch
from sslskel.api.method import Progress
from sslskel.api.noise import Noise
from sslskel.methods.aimclr import attention, attention_drop
from sslskel.methods.isc import ISC, ISCConfig

SEEDS = (0, pytest.param(1, marks=pytest.mark.long))


@pytest.mark.parametrize("seed", SEEDS)
def test_attention_drop(shared: Path, seed: int) -> None:
    case = case_of(shared, f"obj_simam_drop_seed{seed}")
    for at in range(3):
        x = case.tensor(f"case{at}/x").permute(0, 2, 3, 1).requires_grad_()
        weight = attention(x.detach())
        close(weight.mean((1, 3)), case.tensor(f"case{at}/attention_joint"), 1e-5)
        close(weight.permute(0, 3, 2, 1).flatten(1, 2), case.tensor(f"case{at}/attention_element"), 1e-5)
        out = attention_drop(x, float(case.data[f"case{at}/keep_prob"]), frames=False)
        close(out.detach().permute(0, 3, 1, 2), case.tensor(f"case{at}/y"), 5e-5)
        (out.permute(0, 3, 1, 2) * case.tensor(f"case{at}/grad_weight")).sum().backward()
        assert x.grad is not None
        close(x.grad.permute(0, 3, 1, 2), case.tensor(f"case{at}/grad_x"), 5e-5)


class Stub(nn.Module):
    """A recorded encoder of one linear layer; views are told apart by their clips' keys."""

    def __init__(self, inputs: list[Tensor]) -> None:
        super().__init__()
        self.fc, self.inputs = nn.Linear(inputs[0].shape[1], inputs[0].shape[1]), inputs

    def forward(self, view: Batch, noise: Noise) -> Tensor:
        embedding: Tensor = self.fc(self.inputs[int(view.key[0])])
        return nn.functional.normalize(embedding, dim=1)


def in_isc(name: str) -> str:
    """A recorded array of the stubs in ours."""
    if name.startswith(("Queue_S", "queue_ptr_S")):
        return {"1": "sequence", "2": "graph"}[name[-1]] + (".queue.entries" if name[0] == "Q" else ".queue.place")
    stub, _, rest = name.partition(".")
    towers = {"q": "sequence.query", "k": "sequence.key", "r": "graph.query", "l": "graph.key"}
    return f"{towers[stub[-1]]}.{rest}"


@pytest.mark.parametrize("seed", SEEDS)
def test_isc_across_representations(shared: Path, seed: int) -> None:
    case = case_of(shared, f"obj_isc_inter_seed{seed}")
    method = ISC(ISCConfig(**common(case), graph_width=2), gru(case), clip_spec(8)).train()
    for part, which in ((method.sequence, "s1"), (method.graph, "s2")):
        inputs = [case.tensor(f"in/{which}_view{view}") for view in (1, 2)]
        part.query, part.key = Stub(inputs), Stub(inputs).requires_grad_(False)  # type: ignore[assignment]
    with torch.no_grad():
        for name, wanted in case.group("state/").items():
            method.state_dict()[in_isc(name)].copy_(wanted.T if name[0] == "Q" else wanted.squeeze())
    empty = Batch.from_dense(torch.ones(len(case.data["in/s1_view1"]), 3, 1, 25, 1))
    views = [empty._replace(key=torch.full_like(empty.key, view)) for view in range(2)]
    method.on_step_start(Progress(0, 1, 10), Noise(0))
    output = method(views, Noise(0), Progress(0, 1, 10))
    for name, which in (("sequence", "s1"), ("graph", "s2")):
        assert value(output, name) == pytest.approx(float(case.data[f"loss/{which}"]), rel=1e-4)
    output.loss().backward()
    check_gradients(method, case, in_isc, 1e-6)
    method.on_step_end(Progress(0, 1, 10), Noise(0))
    mine = method.state_dict()
    for name, wanted in case.group("state_after_forward/").items():
        close(
            mine[in_isc(name)].to(wanted.dtype),
            wanted.T if name[0] == "Q" else wanted.reshape(mine[in_isc(name)].shape),
        )


def from_recipe(case: Case) -> dict[str, Tensor]:
    """The weights of the full size, which are computed rather than kept (README of the recordings)."""
    recipe = (case.data[f"recipe/{part}"] for part in ("names", "salts", "scales", "shapes", "checksum"))
    tensors = {}
    for name, salt, scale, shape, checksum in zip(*recipe, strict=True):
        name, shape = (
            str(name),
            [int(word) for word in str(shape).replace("(", "").replace(")", "").split(",") if word.strip()],
        )
        h = np.arange(1, int(np.prod(shape)) + 1, dtype=np.uint64)
        h = (h * np.uint64(2654435761) + np.uint64(int(salt) * 40503)) % np.uint64(2**32)
        h = ((h ^ (h >> np.uint64(15))) * np.uint64(2246822519)) % np.uint64(2**32)
        u = (2 * (h ^ (h >> np.uint64(13))).astype(np.float64) / 2**32 - 1).reshape(shape)
        if name.endswith("running_mean"):
            w = np.zeros(shape)
        elif name.endswith("running_var"):
            w = np.ones(shape)
        elif name == "queue":
            w = u / np.linalg.norm(u, axis=0, keepdims=True)
        else:
            w = u * float(scale) + (name.endswith("input_norm.weight") or name == "linear.1.weight")
        tensors[name] = torch.from_numpy(w.astype(np.float32))
        assert float(np.abs(tensors[name].numpy()).sum(dtype=np.float64)) == pytest.approx(float(checksum), rel=1e-4), (
            name
        )
    return tensors


@pytest.mark.long
def test_pcm3_at_full_size(shared: Path) -> None:
    case = case_of(shared, "obj_pcm3_fullsize_seed0")
    method = pcm3(case)

    def rename(name: str) -> str | None:
        return in_pcm3(name, prompts=True)

    state = method.state_dict()
    with torch.no_grad():
        for name, wanted in from_recipe(case).items():
            place = rename(name)
            if place is not None and not name.endswith("num_batches_tracked"):
                state[place].copy_(wanted.T if name == "queue" else wanted.reshape(state[place].shape))
    views = [batch(case, f"in/{name}") for name in ("v1", "v2", "v3")]
    for step, output in steps(method, views, case, noise=lambda step: pcm3_draws(case, step)):
        check_pcm3_step(case, output, step)
        check_gradients(method, case, rename, 1e-6)
        statistics = lambda name: None if name.startswith("queue") else rename(name)  # noqa: E731
        check_state(method, case, "after_forward/", statistics, 1e-5)
