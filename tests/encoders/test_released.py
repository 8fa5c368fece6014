"""Opening released MAMP-style files: equal features, and one sentence for everything that is not one."""

from __future__ import annotations

import argparse
import io
import os
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recorded import Recorded
from released_files import dense, released_state

from sslskel.api.batch import Batch
from sslskel.api.skeleton import NTU25
from sslskel.encoders.released import load_released, resize_time
from sslskel.errors import CheckpointError, UsageError

DOWNSTREAM = [f"{kind}_seed{seed}" for kind in ("linprobe", "linprobe_bn", "finetune") for seed in (0, 1, 2)]


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize("case", DOWNSTREAM)
def test_features_equal_the_recorded_ones(case: str, shared: Path, tmp_path: Path) -> None:
    data = Recorded(shared / "golden" / f"downstream_{case}.npz")
    heads, state = data.config["heads"], data.group("state/")
    args = argparse.Namespace(lr=0.1, model_args={"num_heads": heads})
    encoder = load_released(
        saved(tmp_path / "released.pth", {"model": state, "epoch": 99, "args": args}), num_heads=heads
    )
    x = data.tensor("in/x")
    with torch.no_grad():
        pooled, tokens = encoder(x), encoder.tokens(Batch.from_dense(x))
    for ours, name in ((pooled, "out/feat_pooled"), (tokens, "out/feat_tokens")):
        theirs = data.tensor(name)
        assert ours.shape == theirs.shape
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * float(theirs.abs().max()))
    if case.startswith("linprobe_seed"):
        logits = pooled @ state["head.fc.weight"].T + state["head.fc.bias"]
        torch.testing.assert_close(logits, data.tensor("out/logits"), rtol=0, atol=1e-5)


def test_what_the_released_scripts_save_opens(tmp_path: Path) -> None:
    state = released_state()
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(2))])
    content = {
        "model": state,
        "optimizer": optimiser.state_dict(),
        "epoch": 399,
        "scaler": {"scale": 65536.0, "growth_tracker": 0},
        "args": argparse.Namespace(lr=1e-3, output_dir="x", model_args={"dim_feat": 16}),
    }
    encoder = load_released(saved(tmp_path / "full.pth", content), num_heads=4)
    bare = load_released(saved(tmp_path / "bare.pth", state), num_heads=4)
    x = dense()
    assert not encoder.training
    assert torch.equal(encoder(x), bare(x))
    assert encoder(x).shape == (3, encoder.dim) == (3, 16)
    for prefix in ("module.", "encoder_student.", "module.encoder_student."):
        wrapped = {prefix + name: value for name, value in state.items()} | {
            prefix[:3] + "projector.weight": state["norm.bias"]
        }
        assert torch.equal(load_released(saved(tmp_path / "p.pth", wrapped), num_heads=4)(x), encoder(x))


def test_the_clip_is_read_off_the_tensors(tmp_path: Path) -> None:
    small = load_released(saved(tmp_path / "a.pth", released_state(joints=5)), num_heads=2).spec
    assert (small.frames, small.layout.num_joints, small.coordinates, small.persons) == (12, 5, 3, 2)
    assert small.layout.parents == (-1, 0, 0, 0, 0)
    ntu = load_released(saved(tmp_path / "b.pth", released_state(joints=25)), num_heads=2).spec
    assert ntu.layout == NTU25
    flat = load_released(saved(tmp_path / "c.pth", released_state(coordinates=2, segment=2, depth=1)), num_heads=1)
    assert (flat.spec.frames, flat.spec.coordinates) == (6, 2)
    assert flat(dense(2, 2, 6)).shape == (2, 16)


def test_one_or_three_persons_are_averaged_over_themselves(tmp_path: Path) -> None:
    encoder = load_released(saved(tmp_path / "a.pth", released_state()), num_heads=4)
    three = dense(persons=3)
    alone = torch.stack([encoder(three[..., m : m + 1]) for m in range(3)])
    torch.testing.assert_close(encoder(three), alone.mean(0), rtol=0, atol=1e-5)


def test_other_lengths_resize_the_time_positions(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", released_state(segments=6))
    assert torch.equal(
        load_released(path, num_heads=4, frames=24)(dense(frames=24)),
        load_released(path, num_heads=4)(dense(frames=24)),
    )
    longer = load_released(path, num_heads=4, frames=40)
    assert longer(dense(frames=40)).shape == (3, 16)
    with pytest.raises(UsageError, match="frames=30 is not a multiple of the 4 frames per token"):
        load_released(path, num_heads=4, frames=30)


def test_resizing_is_bicubic() -> None:
    """Against the cubic kernel with a = -0.75 on half-pixel centres, edges repeated."""
    table = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def weight(d: float) -> float:
        d, a = abs(d), -0.75
        if d <= 1:
            return (a + 2) * d**3 - (a + 3) * d**2 + 1
        return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0

    for count in (4, 9):
        expected = torch.zeros(count, 3, dtype=torch.float64)
        for row in range(count):
            at = (row + 0.5) * 6 / count - 0.5
            base = int(np.floor(at))
            for tap in range(base - 1, base + 3):
                expected[row] += weight(at - tap) * table[min(max(tap, 0), 5)]
        torch.testing.assert_close(resize_time(table, count), expected)


def test_loading_draws_nothing_and_keeps_no_gradient_of_the_file(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", released_state())
    state = torch.random.get_rng_state()
    encoder = load_released(path, num_heads=4)
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(p.requires_grad and p.is_leaf and p.device.type == "cpu" for p in encoder.parameters())
    encoder(dense()).sum().backward()
    assert all(p.grad is not None for p in encoder.parameters())


@pytest.mark.parametrize("change", ["missing", "unknown", "shape", "gap"])
def test_misfitting_names_are_listed(change: str, tmp_path: Path) -> None:
    state = released_state()
    word = "blocks.1.mlp.fc2.weight"
    if change == "missing":
        del state[word]
    elif change == "unknown":
        word = "cls_token"
        state[word] = torch.zeros(1)
    elif change == "shape":
        state[word] = state[word][:, :-1]
    else:
        state["blocks.900000000.norm1.bias"] = torch.zeros(16)
        word = "an unknown blocks.900000000.norm1.bias"
    with pytest.raises(CheckpointError) as caught:
        load_released(saved(tmp_path / "a.pth", state), num_heads=4)
    assert word in str(caught.value)
    assert "a.pth" in str(caught.value)


def test_huge_claimed_sizes_cost_nothing(tmp_path: Path) -> None:
    hollow = {"joints_embed.proj.weight": torch.zeros(1, 3, 4, 1).expand(2**40, -1, -1, -1)}
    with pytest.raises(CheckpointError, match="all its values in the file"):
        load_released(saved(tmp_path / "a.pth", released_state() | hollow), num_heads=4)
    wide = {"joints_embed.proj.weight": torch.zeros(2**20, 3, 1, 1), "blocks.0.mlp.fc1.weight": torch.zeros(2**20, 1)}
    with pytest.raises(CheckpointError, match=r"blocks\.0"):
        load_released(saved(tmp_path / "a.pth", released_state() | wide), num_heads=4)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"model": {"fc.weight": torch.zeros(2, 2)}}, "lacks joints_embed.proj.weight"),
        ({}, "lacks joints_embed.proj.weight"),
        ([1, 2], "holds a list"),
        (torch.zeros(3), "holds a Tensor"),
        ({"model": 3}, "'model' in .* is a int"),
        (released_state() | {"norm.bias": 3}, "'norm.bias' in .* is a int"),
        (released_state() | {"norm.bias": torch.full((16,), float("nan"))}, "'norm.bias' in .* NaN"),
        (released_state() | {"norm.bias": torch.zeros(16, dtype=torch.int64)}, "'norm.bias' in .* floating-point"),
        (released_state() | {"norm.bias": torch.zeros(16).to_sparse()}, "'norm.bias' in .* floating-point"),
        (released_state() | {"norm.bias": torch.zeros(16, device="meta")}, "'norm.bias' in .* floating-point"),
        (released_state() | {"pos_embed": torch.zeros(5, 16)}, r"pos_embed has shape \(5, 16\)"),
        (released_state() | {"joints_embed.proj.weight": torch.zeros(16, 3, 4, 2)}, "span 2 joints"),
        (released_state(coordinates=4), "4 coordinates"),
    ],
)
def test_other_files_are_refused_in_a_sentence(content: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=words):
        load_released(saved(tmp_path / "a.pth", content), num_heads=4)


def test_heads_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "a.pth", {"model": released_state(), "args": argparse.Namespace(model_args={"num_heads": 4})}
    )
    with pytest.raises(UsageError, match="width 16, which num_heads=3"):
        load_released(path, num_heads=3)
    with pytest.raises(UsageError, match=r"4 heads, not 8; give num_heads=4"):
        load_released(path, num_heads=8)


class Payload:
    """Creates a file when unpickled by plain pickle."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("form", ["zip", "legacy", "pickle", "namespace"])
def test_a_payload_is_refused_and_not_run(form: str, tmp_path: Path) -> None:
    trap, path = tmp_path / "ran", tmp_path / "a.pth"
    content: Any = {"model": released_state(), "args": Payload(trap)}
    if form == "namespace":
        content["args"] = argparse.Namespace(model_args=Payload(trap))
    if form == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form != "legacy")
    words = "not a readable" if form == "pickle" else "mkdir object, which could run code; it was refused"
    with pytest.raises(CheckpointError, match=words):
        load_released(path, num_heads=4)
    assert not trap.exists()


def test_missing_and_empty_files(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no checkpoint file at"):
        load_released(tmp_path / "none.pth")
    with pytest.raises(CheckpointError, match="there is no checkpoint file at"):
        load_released(tmp_path)
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "text.pth").write_text("<html>not found</html>", encoding="utf-8")
    for name in ("empty.pth", "text.pth"):
        with pytest.raises(CheckpointError, match="not a readable PyTorch checkpoint"):
            load_released(tmp_path / name)


def test_damaged_files_never_end_in_a_traceback(tmp_path: Path) -> None:
    """Truncated anywhere: refused. Bytes changed anywhere: opened or refused, nothing else."""
    buffer = io.BytesIO()
    torch.save({"model": released_state(dim=8, depth=1), "args": argparse.Namespace(lr=1)}, buffer)
    whole, chance, path = buffer.getvalue(), random.Random(0), tmp_path / "a.pth"
    for _ in range(60):
        path.write_bytes(whole[: chance.randrange(len(whole))])
        with pytest.raises(CheckpointError):
            load_released(path, num_heads=4)
    for _ in range(200):
        damaged = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            load_released(path, num_heads=4)
        except UsageError:
            continue
