"""Which attention kernel runs where; what attends to what, the blocks that call it decide.

The choice is a fixed table of measurements and no race at start-up: a race's winner would
depend on the machine's load, and the last bits of a run on the winner.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows
from torch import Tensor

from sslskel.nn.plain import is_explicit

# A constant, because a compiler can read one but cannot follow the question, and what marks a function as
# constant for it (torch.compiler.assume_constant_result) takes more than a second to import.
MULTIPLIES_BFLOAT16: bool = any(
    bool(getattr(torch.cpu, name, bool)()) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
)
"""Whether this CPU has instructions for it; without them each product goes by way of float32."""


def explicit_attention(q: Tensor, k: Tensor, v: Tensor, known: Tensor | None = None) -> Tensor:
    """Softmax of all products, written out: (P, H, K, D), (P, H, L, D) twice -> (P, H, K, D).

    Where ``known`` (P, L) bool is given, nothing attends to the other tokens.
    """
    return _mixed((q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1), v, known)


def _plain_attention(q: Tensor, k: Tensor, v: Tensor, known: Tensor | None) -> Tensor:
    """As the formula reads: every product is scaled, not every query, which is one more pass over all of them."""
    return _mixed((q @ k.transpose(-2, -1)) * q.shape[-1] ** -0.5, v, known)


def _mixed(products: Tensor, v: Tensor, known: Tensor | None) -> Tensor:
    if known is not None:
        products = products.masked_fill(~known[:, None, None], -torch.inf)
    mixed: Tensor = products.softmax(-1) @ v
    return mixed


def attention(q: Tensor, k: Tensor, v: Tensor, known: Tensor | None = None) -> Tensor:
    """The same by the kernel that was faster on such a device in such a type."""
    if is_explicit():
        return _plain_attention(q, k, v, known)
    if kernel_name(q.device, q.dtype) == "explicit":
        return explicit_attention(q, k, v, known)
    mask = None if known is None else known[:, None, None]
    return F.scaled_dot_product_attention(q, k, v, mask)


def kernel_name(device: torch.device, dtype: torch.dtype) -> str:
    """``fused`` or ``explicit``.

    Explicit products won in bfloat16 on a CPU that multiplies it in hardware; everywhere
    else the fused kernel did, in memory always.
    """
    if device.type == "cpu" and dtype == torch.bfloat16 and MULTIPLIES_BFLOAT16:
        return "explicit"
    return "fused"
