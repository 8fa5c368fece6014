"""Draws keyed noise by the kernel and by passes, and prints what differs: with TRITON_INTERPRET=1, without a GPU.

Triton chooses its interpreter when it is imported, so that this takes a process of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from sslskel.api import fused, noise_kernel
from sslskel.api.batch import Batch
from sslskel.api.noise import Noise, Per

SEEDS = ((0, 0), (2**63 - 1, 10**12), (-5, 1))
KEYS = (0, 1, -1, 2**63 - 1, -(2**63), 123_456_789_012_345)
SHAPES = ((), (1,), (7,), (3, 5), (noise_kernel.BLOCK // 4 + 1,), (0,))
DRAWS: dict[str, Callable[[Noise, Sequence[int], Per], Tensor]] = {
    "uniform": lambda noise, shape, per: noise.uniform("u", shape, per),
    "uniform in float64": lambda noise, shape, per: noise.uniform("u", shape, per, torch.float64),
    "uniform in bfloat16": lambda noise, shape, per: noise.uniform("u", shape, per, torch.bfloat16),
    "normal": lambda noise, shape, per: noise.normal("another site", shape, per),
    "normal in float64": lambda noise, shape, per: noise.normal("n", shape, per, torch.float64),
    "integers": lambda noise, shape, per: noise.integers("i", 1000, shape, per),
    "permutation": lambda noise, shape, per: noise.permutation("p", 9, shape, per),
    "stratified": lambda noise, shape, _: noise.stratified("s", shape),
}


def main() -> int:
    """Print draws that differ, how many launches one draw of each kind takes, and how many draws were compared."""
    launches = list[int]()
    draws = noise_kernel.draws

    def counted(stirred: Tensor, keys: Sequence[int], count: int, dtype: torch.dtype) -> Tensor:
        launches.append(len(keys))
        return draws(stirred, keys, count, dtype)

    noise_kernel.draws = counted
    wrong, compared = list[str](), 0
    for seed, step in SEEDS:
        for batch in (_batch(range(len(KEYS))), _batch((1, 1, 4)), _batch(())):
            for shape in SHAPES:
                for per in ("person", "clip", "batch"):
                    for name, draw in DRAWS.items():
                        if name == "stratified" and (per != "clip" or 0 in shape):
                            continue
                        known, made = (_drawn(draw, seed, step, batch, shape, per, by) for by in ((), ("cpu",)))
                        compared += 1
                        if not (torch.equal(known, made) and known.dtype == made.dtype):
                            wrong.append(f"{name} of {shape} per {per}, seed {seed}, {len(batch.owner)} persons")
    taken = {}
    for name, draw in DRAWS.items():
        launches.clear()
        _drawn(draw, 1, 0, _batch((0, 2)), (4,), "person", ("cpu",))
        taken[name] = len(launches)
    print(json.dumps({"wrong": wrong[:9], "compared": compared, "launches": taken}))
    return 0


def _drawn(
    draw: Callable[[Noise, Sequence[int], Per], Tensor],
    seed: int,
    step: int,
    batch: Batch,
    shape: Sequence[int],
    per: Per,
    by: tuple[str, ...],
) -> Tensor:
    fused.FUSED = by
    return draw(Noise(seed, step).over(batch.key).view(1).on(batch), shape, per)


def _batch(owner: Sequence[int]) -> Batch:
    """All clips of KEYS with persons of these clips."""
    rows = len(owner)
    return Batch(
        torch.zeros(rows, 1, 1, 3),
        torch.ones(rows, 1, dtype=torch.bool),
        torch.tensor(list(owner), dtype=torch.int64),
        torch.arange(rows),
        torch.tensor(KEYS),
        torch.full((len(KEYS),), -1),
        torch.arange(len(KEYS)),
    )


if __name__ == "__main__":
    sys.exit(main())
