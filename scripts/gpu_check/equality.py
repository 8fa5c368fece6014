"""Every method on the device and on the CPU: views, loss, gradients, weights after steps, features."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch
from cases import apart, built, case_of, engine_of, methods, source_of, trained, views_of
from sections import Facts, Settings, checked
from torch import Tensor

from sslskel.api.noise import Noise
from sslskel.checks.method_case import forward
from sslskel.config.groups import Precision
from sslskel.engine.device import arithmetic, autocast, dtype_of

HOST = torch.device("cpu")
LARGEST = {
    Precision.fp64: {"views": 1e-9, "loss": 1e-8, "gradients": 1e-6, "features": 1e-7, "weights": 1e-6},
    Precision.fp32: {"views": 1e-5, "loss": 1e-4, "gradients": 2e-3, "features": 1e-3},
    Precision.bf16: {"views": 1e-5, "loss": 5e-2, "gradients": 0.3, "features": 0.15},
}
"""Distances that pass, as shares of the largest value: rounding of sums in another order, and eight bits of bf16.

Gradients in bf16 are compared by their direction, 1 - cosine: on a CPU that of the method whose values are furthest
apart, by half of the largest, is 0.12.
"""


def every_method(settings: Settings, seconds: float) -> Facts:
    """Largest distances by method and precision; bf16 on the device is compared with fp32 on the CPU."""
    until, faults, shown = time.monotonic() + seconds, list[str](), Facts()
    for name in methods(settings.small):
        if time.monotonic() > until:
            faults.append(f"{name} and those behind it were not reached in {seconds:.0f} s")
            break
        try:
            shown[name] = _of(name, settings.device)
        except Exception as fault:  # of this method alone
            faults.append(f"{name}: {type(fault).__name__}: {fault}")
            continue
        for precision, most in LARGEST.items():
            for what, far in shown[name][precision.value].items():
                if not far <= most[what]:
                    faults.append(f"{name}, {precision.value}: {what} are {far:.1e} apart, {most[what]:.0e} allowed")
    return checked(faults, shown)


def _of(name: str, device: torch.device) -> dict[str, dict[str, float]]:
    here = {precision: _step(name, HOST, precision) for precision in (Precision.fp64, Precision.fp32)}
    far: dict[str, dict[str, float]] = {}
    for precision in LARGEST:
        ours, theirs = _step(name, device, precision), here.get(precision, here[Precision.fp32])
        far[precision.value] = {what: apart(ours[what], tensors)[0] for what, tensors in theirs.items()}
        if precision is Precision.bf16:
            one, other = (side["gradients"]["all"] for side in (ours, theirs))
            far[precision.value]["gradients"] = 1 - float(torch.cosine_similarity(one, other, dim=0))
    with tempfile.TemporaryDirectory() as folder:
        there, _ = trained(name, device, Precision.fp64, Path(folder, "there"))
        known, _ = trained(name, HOST, Precision.fp64, Path(folder, "here"))
    far[Precision.fp64.value]["weights"] = apart(there, known)[0]
    return far


def _step(name: str, device: torch.device, precision: Precision) -> dict[str, dict[str, Tensor]]:
    """What a step and the encoders give, on the host."""
    engine = engine_of(device, precision)
    with arithmetic(engine):
        case, kind = case_of(name), dtype_of(engine)
        method = built(case, device, kind)
        views, noise = views_of(case, method, device, kind)
        shown = {str(at): view.tracks.cpu() for at, view in enumerate(views)}
        with autocast(device, precision):
            loss = forward(method, views, noise).loss()
        loss.backward()  # type: ignore[no-untyped-call]
        grads = {key: p.grad.cpu() for key, p in method.named_parameters() if p.grad is not None}
        grads = {"all": torch.cat([grad.double().flatten() for grad in grads.values()])}
        return {
            "views": shown,
            "loss": {"loss": loss.detach().cpu()[None]},
            "gradients": grads,
            "features": _features(name, device, precision),
        }


def _features(name: str, device: torch.device, precision: Precision) -> dict[str, Tensor]:
    engine, case = engine_of(device, precision), case_of(name)
    method = built(case, device, dtype_of(engine)).eval()

    source, made = source_of(case, device, dtype_of(engine)), {}
    for stream, encoder in method.encoders().items():
        batch = source.batch(torch.arange(len(source)), encoder.spec.test_view, Noise(0, device=device))
        with torch.no_grad(), autocast(device, precision):
            made[stream] = encoder.clip(batch).cpu()
    return made
