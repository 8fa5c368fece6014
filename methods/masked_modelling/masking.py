"""Which tokens are hidden."""

from __future__ import annotations

from torch import Tensor

from sslskel.methods.masked_modelling.config import MaskedModellingConfig, Masking
from sslskel.nn.token_masks import keep_order


def mask_order(
    tracks: Tensor, segment: int, uniform: Tensor, config: MaskedModellingConfig, known: Tensor | None = None
) -> Tensor:
    """Token ids (P, L) in the order in which they are kept: the first K are seen, the rest hidden.

    ``uniform`` (P, L) decides: alone where masking is random, else by how tokens move. Tokens that are not ``known``,
    (P, L) bool, come last.
    """
    tau = 0.0 if config.masking is Masking.random else config.tau
    return keep_order(tracks, segment, uniform, tau, known)
