"""Attention: every kernel gives the same numbers, and which one is taken is fixed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sslskel.nn.attention import MULTIPLIES_BFLOAT16, attention, explicit_attention, kernel_name
from sslskel.nn.plain import explicit


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 4e-2)]
)
def test_kernels_agree(dtype: torch.dtype, tolerance: float) -> None:
    q, k, v = (drawn(2, 3, n, 4, seed=seed).to(dtype) for seed, n in enumerate((5, 9, 9)))
    assert attention(q, k, v).shape == (2, 3, 5, 4)
    torch.testing.assert_close(attention(q, k, v), explicit_attention(q, k, v), rtol=0, atol=tolerance)
    with explicit():
        torch.testing.assert_close(attention(q, k, v), explicit_attention(q, k, v), rtol=0, atol=tolerance)


def test_the_choice_of_a_kernel_is_fixed_per_device_and_type() -> None:
    cpu = torch.device("cpu")
    assert kernel_name(cpu, torch.float32) == kernel_name(torch.device("cuda"), torch.bfloat16) == "fused"
    assert kernel_name(cpu, torch.bfloat16) == ("explicit" if MULTIPLIES_BFLOAT16 else "fused")
