"""Dropout that draws from keyed noise, for backbones whose released training uses it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from sslskel.api.noise import Noise
from sslskel.errors import UsageError


class Unbound(UsageError):
    """A module in training mode drops values, but nobody has called its ``bind``."""

    def __init__(self, module: nn.Module, option: str, name: str = "") -> None:
        what = f"'{name}', a {type(module).__name__}," if name else f"a {type(module).__name__}"
        call = f"self.{name}.bind(noise.on(batch))" if name else "its bind(noise.on(batch))"
        super().__init__(f"{what} needs keyed noise for {option}: call {call} before each of its training passes")
        self.module, self.option = module, option


@contextmanager
def unbound_named(root: nn.Module) -> Iterator[None]:
    """Within, :class:`Unbound` says where in ``root`` the module is."""
    try:
        yield
    except Unbound as fault:
        name = next((name for name, module in root.named_modules() if module is fault.module), "")
        raise Unbound(fault.module, fault.option, name) from fault


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
