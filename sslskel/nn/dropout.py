"""Dropout that draws from keyed noise, for backbones whose released training uses it."""

from __future__ import annotations

from torch import Tensor

from sslskel.api.noise import Noise
from sslskel.errors import UsageError


def dropped(x: Tensor, rate: float, noise: Noise, site: str) -> Tensor:
    """(P, ...) with a share ``rate`` of its values zeroed and the rest divided by ``1 - rate``.

    Raises ``UsageError`` for noise of another number of persons.
    """
    draws = noise.uniform(site, tuple(x.shape[1:]), per="person")
    if draws.shape[0] != x.shape[0]:
        raise UsageError(
            f"backbone.dropout was bound to a batch of {draws.shape[0]} persons, but {x.shape[0]} came;"
            " with empty bodies, bind and feed batch.filled(persons)"
        )
    return x * ((draws >= rate) / (1 - rate)).to(x.dtype)
