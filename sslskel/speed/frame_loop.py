"""The stepped GRU, all frames of a layer at once, against a loop that calls a bidirectional GRU frame by frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from sslskel.errors import UsageError
from sslskel.nn.gru import SteppedPairs
from sslskel.speed.clock import paired, timed
from sslskel.speed.equal import TOLERANCE, Equality, checked, distance
from sslskel.speed.workload import Workload


def against_frame_loop(workload: Workload, pairs: int) -> dict[str, Any]:
    """Times a batch of frames through both, without and with gradients; the frames are random, as only time counts.

    Raises ``UsageError`` if the backbone does not step, or if the run mixes precisions.
    """
    fused = next((module for module in workload.method.modules() if isinstance(module, SteppedPairs)), None)
    if fused is None:
        raise UsageError(
            f"backbone '{workload.cell.backbone}' does not step from frame to frame, as a stepped GRU does"
        )
    precision = workload.cell.resolved.engine.precision
    if precision not in TOLERANCE:
        raise UsageError(f"--against frame_loop compares in fp32 or fp64, not in {precision.value}")
    first = first_of(fused)
    frames = torch.randn(
        workload.size,
        workload.source.spec.frames,
        first.input_size,
        device=workload.device,
        dtype=workload.source.dtype,
    )
    loop = frame_loop(fused, frames)
    with torch.no_grad():
        equality = Equality(distance(fused(frames), loop()), TOLERANCE[precision])

    def measure(wrap: Callable[[Callable[[], Tensor]], Callable[[], object]]) -> dict[str, Any]:
        theirs, ours = timed(workload.device, wrap(loop)), timed(workload.device, wrap(lambda: fused(frames)))
        return checked(equality, lambda: paired(theirs, ours, pairs))

    return {
        "frames": workload.source.spec.frames,
        "hidden": first.hidden_size,
        "works": {"forward": measure(torch.no_grad()), "forward and backward": measure(_learning)},
    }


def _learning(run: Callable[[], Tensor]) -> Callable[[], object]:
    return lambda: run()[:, -1].sum().backward()  # type: ignore[no-untyped-call]


def first_of(fused: SteppedPairs) -> nn.GRU:
    """The first GRU of the first layer; all have its sizes."""
    return next(gru for gru in fused.modules() if isinstance(gru, nn.GRU))


def frame_loop(fused: SteppedPairs, frames: Tensor) -> Callable[[], Tensor]:
    """Computes ``fused(frames)`` as released code does, one call per frame with the state carried along."""
    layers = [list(pair.children()) for pair in fused.children()]
    stepped = nn.GRU(
        frames.shape[2], first_of(fused).hidden_size, len(layers), batch_first=True, bidirectional=True
    ).to(frames)
    for layer, pair in enumerate(layers):
        for ending, gru in zip(("", "_reverse"), pair, strict=True):
            for name, value in gru.named_parameters():
                getattr(stepped, name.replace("_l0", f"_l{layer}{ending}")).data.copy_(value.data)

    def run() -> Tensor:
        state, seen = None, []
        for frame in frames.unbind(1):
            out, state = stepped(frame[:, None], state)
            seen.append(out)
        return torch.cat(seen, 1)

    return run
