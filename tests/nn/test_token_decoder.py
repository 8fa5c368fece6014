"""The decoder of hidden tokens, against its plain form."""

from __future__ import annotations

import torch

from sslskel.nn.token_decoder import DecoderSize, TokenDecoder


def test_hidden_tokens_are_those_of_the_plain_form() -> None:
    random = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        decoder = TokenDecoder(DecoderSize(8, 2, 2), dim=6, segments=3, joints=4, values=5).double()
    order = torch.rand(5, 12, generator=random).argsort(1)
    seen = torch.randn(5, 4, 6, dtype=torch.float64, generator=random)
    plain = decoder.as_released(seen, order.argsort(1))
    torch.testing.assert_close(decoder(seen, order), plain.take_along_dim(order[:, 4:, None], 1))
