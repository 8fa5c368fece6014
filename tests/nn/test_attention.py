"""What a step leaves out changes nothing: tokens never embedded, outputs never finished, other kernels."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sslskel.api.skeleton import SkeletonLayout
from sslskel.api.view import ClipSpec, ViewSpec
from sslskel.backbones.transformer import Transformer, TransformerConfig
from sslskel.nn.attention import MULTIPLIES_BFLOAT16, attention, explicit_attention, kernel_name
from sslskel.nn.transformer_blocks import Block, take_tokens

LAYOUT = SkeletonLayout("star", tuple(f"j{i}" for i in range(5)), (-1, 0, 0, 0, 0), 0)
VIEW = ViewSpec(sample=None)  # type: ignore[arg-type]  # views are not drawn here


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gradients(module: torch.nn.Module, loss: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(module.parameters()), retain_graph=True))


@pytest.mark.parametrize("qkv_bias", [True, False])
@pytest.mark.parametrize("first", [1, 4, 6])
def test_a_block_may_leave_its_first_tokens_unfinished(first: int, qkv_bias: bool) -> None:
    block = Block(8, 2, 2.0, qkv_bias).double()
    x, weight, branches = drawn(3, 7, 8), drawn(3, 7 - first, 8, seed=1), drawn(2, 3, 1, 1, seed=2)
    whole, part = block(x, branches)[:, first:], block(x, branches, first)
    torch.testing.assert_close(part, whole, rtol=0, atol=1e-12)
    pairs = zip(gradients(block, (whole * weight).sum()), gradients(block, (part * weight).sum()), strict=True)
    for theirs, ours in pairs:
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-11)


def test_kept_tokens_are_rows_of_all_tokens() -> None:
    clip = ClipSpec(LAYOUT, 8, 2, 3, 30.0, "metre", VIEW, VIEW)
    backbone = Transformer(TransformerConfig(dim=16, depth=1, heads=4), clip).double()
    tracks, keep = drawn(3, 8, 5, 3), torch.tensor([[9, 0, 4], [1, 2, 3], [7, 7, 0]])
    torch.testing.assert_close(
        backbone.kept_tokens(tracks, keep), take_tokens(backbone.tokens(tracks), keep), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 4e-2)]
)
def test_kernels_agree(dtype: torch.dtype, tolerance: float) -> None:
    q, k, v = (drawn(2, 3, n, 4, seed=seed).to(dtype) for seed, n in enumerate((5, 9, 9)))
    assert attention(q, k, v).shape == (2, 3, 5, 4)
    torch.testing.assert_close(attention(q, k, v), explicit_attention(q, k, v), rtol=0, atol=tolerance)


def test_the_choice_of_a_kernel_is_fixed_per_device_and_type() -> None:
    cpu = torch.device("cpu")
    assert kernel_name(cpu, torch.float32) == kernel_name(torch.device("cuda"), torch.bfloat16) == "fused"
    assert kernel_name(cpu, torch.bfloat16) == ("explicit" if MULTIPLIES_BFLOAT16 else "fused")
