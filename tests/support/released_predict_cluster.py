"""What replays of the recorded Predict & Cluster share: its files, our names of its weights, and runs of its sizes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import torch
from recorded import Recorded
from replays import Made, made
from torch import Tensor
from undrawn_clips import star

from sslskel.api.batch import Batch

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "golden_more"
PORTED = {"fw": "fixed_weights", "fs": "fixed_state", "o": "free", "tf": "teacher_forced"}
"""Recorded decoder -> our option."""


def files(kind: str) -> list[str]:
    """Names of all recorded files of a kind; those of two seeds where there are none, whose tests are then skipped."""
    found = sorted(path.stem for path in FOLDER.glob(f"{kind}_seed*.npz"))
    return found or [f"{kind}_seed{seed}" for seed in (0, 1)]


def case_of(shared: Path, name: str) -> Recorded:
    """One recorded file."""
    return Recorded(shared / "golden_more" / f"{name}.npz")


def our_name(name: str) -> tuple[str, bool]:
    """Where a weight of either release lives in ours, and whether it stands there transposed."""
    if found := re.search(r"cell_(\d+)/bidirectional_rnn/(fw|bw)/gru_cell/(\w+)/(\w+)$", name):
        layer, way, part, kind = found.groups()
        kept = "weight" if kind == "kernel" else kind
        return f"network.inner.backbone.gru.{layer}.{int(way == 'bw')}.{part}.{kept}", kind == "kernel"
    if found := re.search(r"rnn/gru_cell/(\w+)/(\w+)$", name):
        return f"decoder.cell.{found[1]}.{'weight' if found[2] == 'kernel' else 'bias'}", found[2] == "kernel"
    if found := re.search(r"(proj_w_out|proj_b_out|pred_skel/kernel|pred_skel/bias)$", name):
        matrix = found[1] in ("proj_w_out", "pred_skel/kernel")
        return f"decoder.read_out.{'weight' if matrix else 'bias'}", matrix
    if found := re.fullmatch(r"encoder\.gru\.(.+)_l(\d+)(_reverse)?", name):
        return f"network.inner.backbone.gru.{found[2]}.{int(found[3] is not None)}.{found[1]}_l0", False
    return re.sub(r"_l0$", "", name.replace("decoder.gru.", "decoder.cell.").replace(".out.", ".read_out.")), False


def ours(case: Recorded, prefix: str) -> dict[str, Tensor]:
    """A recorded group under our names."""
    named = {our_name(name): tensor for name, tensor in case.group(prefix).items()}
    return {name: tensor.T if turned else tensor for (name, turned), tensor in named.items()}


class Replay(NamedTuple):
    """A method with recorded sizes and weights, and the recorded clips."""

    run: Made
    batch: Batch


def replay(case: Recorded, name: str, weights: bool = True, **more: object) -> Replay:
    """A method preset with the recorded sizes: coordinates as they are, which recorded clips are ready for."""
    config, frames = case.config, case.tensor("in/frames")
    layers = 1 + max(int(found[1]) for found in re.finditer(r"(?:cell_|_l)(\d+)", " ".join(case)))
    values: dict[str, object] = {
        "backbone.hidden": config.get("hidden", config.get("rnn_size", 0) // 2),
        "backbone.layers": layers,
        "clip.frames": frames.shape[1],
        "method.basis": "none",
        "method.rescale": False,
        "train.schedule": "constant",
        "train.lr": config["lr"],
        "train.batch_size": len(frames),
        "train.epochs": config["steps"],
        "engine.device": "cpu",
    }
    values |= {name.replace("__", "."): value for name, value in more.items()}
    joints = frames.shape[2] // 3
    run = made(name, *(f"{key}={value}" for key, value in values.items()), body=star(joints))
    if weights:
        run.method.load_state_dict(ours(case, "state/"))
    batch = Batch.from_dense(frames.unflatten(2, (joints, 3)).permute(0, 3, 1, 2)[..., None])
    assert batch.valid.sum(1).tolist() == case["in/lengths"].tolist()
    return Replay(run, batch)


def keep_gradients(method: torch.nn.Module) -> dict[str, Tensor]:
    """The gradient of every parameter in the last backward pass, as it was before clipping."""
    kept: dict[str, Tensor] = {}

    def keeper(name: str) -> None:
        def keep(parameter: Tensor) -> None:
            assert parameter.grad is not None
            kept[name] = parameter.grad.clone()

        dict(method.named_parameters())[name].register_post_accumulate_grad_hook(keep)

    for name, parameter in method.named_parameters():
        if parameter.requires_grad:
            keeper(name)
    return kept


def norm_of(gradients: dict[str, Tensor]) -> float:
    """Of all of them together."""
    return float(torch.stack([gradient.double().norm() for gradient in gradients.values()]).norm())
