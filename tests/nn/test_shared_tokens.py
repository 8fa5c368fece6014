"""What mask tokens ask of each other, computed once for all rows: the numbers of each row by itself."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sslskel.nn.plain import explicit
from sslskel.nn.shared_tokens import shared_attention, shares
from sslskel.nn.token_decoder import DecoderSize, TokenDecoder

ROWS, SEEN, SEGMENTS, JOINTS, DIM = 5, 3, 4, 6, 8


def decoder(depth: int) -> TokenDecoder:
    torch.manual_seed(0)
    made = TokenDecoder(DecoderSize(DIM, depth, 2), 5, SEGMENTS, JOINTS, 7).double()
    with torch.no_grad():
        for table in (made.mask_token, made.time_table, made.joint_table):
            table.copy_(torch.randn_like(table))
    return made


def inputs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    order = torch.rand(ROWS, SEGMENTS * JOINTS, generator=generator).argsort(-1)
    return torch.randn(ROWS, SEEN, 5, generator=generator, dtype=torch.float64), order


def passed(made: TokenDecoder, *, alone: bool) -> list[Tensor]:
    """The decoder's output and all its gradients, with each row by itself or with what is equal computed once."""
    seen, order = inputs()
    seen.requires_grad_()
    made.zero_grad()
    if alone:
        with explicit():
            out = made(seen, order)
    else:
        out = made(seen, order)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(2), dtype=out.dtype)
    (out * weights).sum().backward()
    gradients = [part.grad for part in (seen, *made.parameters())]
    return [out.detach(), *(part for part in gradients if part is not None)]


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_decoder_gives_the_same_numbers_and_gradients(depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made, calls = decoder(depth), []

    def noted(*given: object) -> Tensor | None:
        calls.append(1)
        return shared_attention(*given)  # type: ignore[arg-type]

    monkeypatch.setattr("sslskel.nn.token_decoder.shared_attention", noted)
    expected = passed(made, alone=True)
    assert not calls
    for part, same in zip(passed(made, alone=False), expected, strict=True):
        torch.testing.assert_close(part, same, rtol=1e-10, atol=1e-12)
    assert calls


def test_products_too_far_apart_are_left_to_each_row() -> None:
    made = decoder(2)
    with torch.no_grad():
        made.blocks[0].attn.qkv.weight *= 30
    _, order = inputs()
    content = (made.time_table[:, None] + made.joint_table).flatten(0, 1)
    assert shared_attention(made.blocks[0].attn, torch.randn(ROWS, SEEN, DIM).double(), content, order, 0) is None
    for part, same in zip(passed(made, alone=False), passed(made, alone=True), strict=True):
        torch.testing.assert_close(part, same, rtol=1e-8, atol=1e-10)


def test_who_shares() -> None:
    cpu = torch.device("cpu")
    assert shares(4, 74, 750, cpu)
    assert not shares(4, 74, 750, torch.device("cuda"))
    assert not shares(3, 74, 750, cpu)
    assert not shares(4, 400, 750, cpu)
    assert not shares(4, 0, 750, cpu)
    with explicit():
        assert not shares(4, 74, 750, cpu)
