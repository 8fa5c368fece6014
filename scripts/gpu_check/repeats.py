"""The same training twice, and one that goes on on another device."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import torch
from cases import FEW, apart, methods, trained
from sections import Facts, Settings, checked

from sslskel.config.groups import Precision

HOST = torch.device("cpu")
LARGEST = 1e-6


def twice(settings: Settings, seconds: float) -> Facts:
    """Two trainings with deterministic kernels, in single precision: the same bits."""
    faults, shown = list[str](), Facts()
    for name in [one for one in methods(settings.small) if one in FEW]:
        with tempfile.TemporaryDirectory() as folder:
            first, second = (
                trained(name, settings.device, Precision.fp32, Path(folder, str(at)), deterministic=True)[0]
                for at in range(2)
            )
        other = [key for key, value in first.items() if not torch.equal(value, second[key])]
        shown[name] = {"tensors": len(first), "that differ": len(other)}
        if other:
            faults.append(f"{name}: {len(other)} of {len(first)} tensors differ, first {other[0]}")
    return checked(faults, shown)


def resumed(settings: Settings, seconds: float) -> Facts:
    """An epoch on one device and one on the other, both ways, against two epochs on the CPU in float64."""
    faults, shown = list[str](), Facts()
    for name in [one for one in methods(settings.small) if one in FEW]:
        shown[name] = {}
        for way, first, then in (("from the CPU", HOST, settings.device), ("to the CPU", settings.device, HOST)):
            with tempfile.TemporaryDirectory() as folder:
                whole, _ = trained(name, HOST, Precision.fp64, Path(folder, "whole"))
                trained(name, first, Precision.fp64, Path(folder, "parts"))
                # As an interruption after the first epoch would leave it.
                for step in sorted(Path(folder, "parts").glob("step-*"))[1:]:
                    shutil.rmtree(step)
                weights, _ = trained(name, then, Precision.fp64, Path(folder, "parts"))
            shown[name][way], where = apart(weights, whole)
            if not shown[name][way] <= LARGEST:
                faults.append(f"{name}, {way}: {where} is {shown[name][way]:.1e} apart, {LARGEST:.0e} allowed")
    return checked(faults, shown)
