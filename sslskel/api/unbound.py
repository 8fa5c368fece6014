"""The error of a module that needs keyed noise and has none, and the location of that module in a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from sslskel.errors import UsageError


class Unbound(UsageError):
    """A module in training mode drops values, but its ``bind`` was not called."""

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
