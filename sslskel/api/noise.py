"""Keyed random numbers: the same on 1 or N processes, before and after a resume.

Every draw is a function of (seed, step, view, site) and, where it is per item,
of the clip's key and the person's slot. Nothing reads a global generator.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.devices import longest_float, on_device
from sslskel.api.fused import kernel_for
from sslskel.errors import UsageError
from sslskel.hashing import stable_id

Per = Literal["person", "clip", "batch"]

SMALL = 1 << 15
"""Draws on the CPU up to this size use numpy, whose operations have less overhead."""

BLOCK = 1 << 16
"""Draws that a CPU makes at once, so that all passes over them are within its caches."""

_GOLDEN = -7046029254386353131  # 2^64 / golden ratio, as signed
_MIX1 = -4658895280553007687
_MIX2 = -7723592293110705685


# Int64 of torch and of numpy wrap alike, so what follows takes tensors and arrays. Arrays need an
# axis, since numpy warns of single numbers that wrap.


def _shift(x: Any, bits: int) -> Any:
    """Logical right shift of int64 (both libraries shift arithmetically)."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mix(x: Any) -> Any:
    """The splitmix64 finaliser (Steele, Lea & Flood 2014) on wrapping int64."""
    x = (x ^ _shift(x, 30)) * _MIX1
    x = (x ^ _shift(x, 27)) * _MIX2
    return x ^ _shift(x, 31)


def _hashed(base: Any, stirred: Any, site: int, number: Any, *, whole: bool) -> Any:
    """Base, stirred items (n,), numbers (count,) from 1 -> (n, count); unless ``whole``, bits 40 to 63 alone are right.

    The last part of the finaliser leaves these bits as they are.
    """
    x = _mix(_mix(base + site) + stirred)[..., None] + number * _GOLDEN
    for bits, factor in ((30, _MIX1), (27, _MIX2)):
        x ^= _shift(x, bits)
        x *= factor
    if whole:
        x ^= _shift(x, 31)
    return x


def _stirred(item: Tensor) -> Tensor:
    """Items of any shape -> (n,) what is the same for all their draws."""
    if item.device.type == "cpu" and item.numel() <= SMALL:
        return torch.from_numpy(_mix(item.numpy().reshape(-1) * _GOLDEN + 1))
    return _mix(item.flatten() * _GOLDEN + 1)  # type: ignore[no-any-return]


def _small(stirred: Tensor, count: int) -> bool:
    return stirred.device.type == "cpu" and len(stirred) * count <= SMALL


def _small_hashed(base: Tensor, stirred: Tensor, site: int, count: int, *, whole: bool) -> Tensor:
    number = np.arange(1, count + 1, dtype=np.int64)
    return torch.from_numpy(_hashed(base.numpy()[None], stirred.numpy(), site, number, whole=whole))


def _fused(base: Tensor, stirred: Tensor, names: Sequence[int], count: int, dtype: torch.dtype) -> Tensor | None:
    """(names, n, count) bits or fractions of stirred items (n,) in one launch; None where the device has no kernel."""
    draws = kernel_for(stirred.device)
    if draws is None:
        return None
    # The base is the host's, so that no device is waited for.
    return draws(stirred, [int(_mix(base.numpy()[None] + name)[0]) for name in names], count, dtype)


def _bits(base: Tensor, item: Tensor, site: str, lane: int, count: int) -> Tensor:
    """Bits of ``count`` draws per item: (), items of any shape -> (*item.shape, count) int64."""
    name, stirred = stable_id(site, str(lane)), _stirred(item)
    fused = _fused(base, stirred, [name], count, torch.int64)
    if fused is not None:
        made = fused[0]
    elif _small(stirred, count):
        made = _small_hashed(base, stirred, name, count, whole=True)
    else:
        number = torch.arange(1, count + 1, device=item.device)
        made = _hashed(base, stirred, name, number, whole=True)
    return made.reshape((*item.shape, count))


def _fractions(
    base: Tensor, stirred: Tensor, site: str, lanes: Sequence[int], count: int, dtype: torch.dtype
) -> Sequence[Tensor]:
    """The upper 24 bits of ``count`` draws per stirred item (n,), as U[0, 1) on their grid: a (n, count) per lane."""
    names = [stable_id(site, str(lane)) for lane in lanes]
    fused = _fused(base, stirred, names, count, dtype)
    if fused is not None:
        return fused.unbind()
    return [_fractions_by_passes(base, stirred, name, count, dtype) for name in names]


def _fractions_by_passes(base: Tensor, stirred: Tensor, name: int, count: int, dtype: torch.dtype) -> Tensor:
    unit = torch.tensor(2.0**-24, dtype=dtype, device="cpu")
    if _small(stirred, count):
        return _shift(_small_hashed(base, stirred, name, count, whole=False), 40) * unit  # type: ignore[no-any-return]
    number = torch.arange(1, count + 1, device=stirred.device)
    if stirred.device.type != "cpu":
        return _shift(_hashed(base, stirred, name, number, whole=False), 40) * unit  # type: ignore[no-any-return]
    made = torch.empty(len(stirred), count, dtype=dtype, device="cpu")
    rows = max(1, BLOCK // max(count, 1))
    for some, into in zip(torch.split(stirred, rows), torch.split(made, rows), strict=True):
        torch.mul(_shift(_hashed(base, some, name, number, whole=False), 40), unit, out=into)
    return made


def _chained(base: Tensor, number: Tensor) -> Tensor:
    """() and () -> (), another base for every number."""
    if base.device.type == "cpu":
        return torch.from_numpy(_mix(base.numpy()[None] + number.numpy()[None] * _GOLDEN))[0]
    return _mix(base + number * _GOLDEN)  # type: ignore[no-any-return]


def _derived_base(base: Tensor, index: int) -> Tensor:
    """Base of the noise of a view."""
    # As a tensor, so that the product wraps: a Python number of this size does not fit from the second view on.
    return _chained(base, base.new_full((), index + 1))


def _person_items(key: Tensor, slot: Tensor) -> Tensor:
    """(P,) keys and slots of persons -> (P,) unique values."""
    if key.device.type == "cpu":
        return torch.from_numpy(_mix(key.numpy() + (slot.numpy() + 1) * _GOLDEN))
    return _mix(key + (slot + 1) * _GOLDEN)  # type: ignore[no-any-return]


def _unsealed(key: Tensor, first: int, second: int) -> Tensor:
    """(N,) sealed keys -> (N,) keys, by the inverses of the two factors."""
    folded = key * second
    opened: Tensor = (folded ^ _shift(folded, 32)) * first
    return opened


# What a compiler sees instead, one node each: it cannot follow the hash of a site, and under torch 2.13 its
# CPU code for this arithmetic in int64 overran its memory.
_bits_node = torch.library.custom_op("sslskel::noise_bits", _bits, mutates_args=())
_bits_node.register_fake(lambda base, item, site, lane, count: item.new_empty((*item.shape, count)))
_base_node = torch.library.custom_op("sslskel::noise_view", _derived_base, mutates_args=())
_base_node.register_fake(lambda base, index: base.new_empty(()))
_items_node = torch.library.custom_op("sslskel::noise_items", _person_items, mutates_args=())
_items_node.register_fake(lambda key, slot: key.new_empty(slot.shape))
_open_node = torch.library.custom_op("sslskel::noise_unsealed", _unsealed, mutates_args=())
_open_node.register_fake(lambda key, first, second: torch.empty_like(key))


def _signed(number: int) -> int:
    """The low 64 bits as int64 has them."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


class Seal:
    """Other keys in place of those of clips, by which nothing can be looked up.

    ``name`` decides which. Every key has another one, and 0 stays 0. Noise that is
    :meth:`Noise.sealed` makes the same draws for sealed keys as it did for the keys.
    """

    def __init__(self, name: str) -> None:
        factors = [2 * stable_id("seal", part, name) + 1 for part in ("first", "second")]
        self._factors = tuple(map(_signed, factors))
        self._inverses = tuple(_signed(pow(factor, -1, 1 << 64)) for factor in factors)

    def close(self, keys: Tensor) -> Tensor:
        """(N,) keys -> (N,) sealed keys, int64."""
        mixed = keys * self._factors[0]
        sealed: Tensor = (mixed ^ _shift(mixed, 32)) * self._factors[1]
        return sealed

    def open(self, keys: Tensor) -> Tensor:
        """(N,) sealed keys -> (N,) keys, int64."""
        opened = _open_node if torch.compiler.is_compiling() else _unsealed
        return opened(keys, *self._inverses)


class Noise:
    """Random numbers of one step; bind it to a batch with :meth:`on` before drawing per item.

    ``seed`` and ``step`` are held as tensors so that compiled code does not
    specialise on them. Uniform draws lie on a grid of 2^-24 in [0, 1), so float32
    and float64 runs see the same numbers.
    """

    def __init__(self, seed: int | Tensor, step: int | Tensor = 0, device: torch.device | str = "cpu") -> None:
        base = torch.as_tensor(seed, dtype=torch.int64, device="cpu")
        step = torch.as_tensor(step, dtype=torch.int64, device="cpu")
        # One number, held by the host: every device takes it along with an operation.
        self._base = _chained(_chained(torch.ones_like(base), base), step)
        self._device = torch.device(device)
        self._batch: Batch | None = None
        self._step_keys: Tensor | None = None
        self._seal: Seal | None = None
        self._stirred: dict[Per, Tensor] = {}

    def _derived(self, base: Tensor, batch: Batch | None) -> Noise:
        other = Noise.__new__(Noise)
        other._base, other._batch, other._step_keys, other._seal = base, batch, self._step_keys, self._seal
        other._device = self._device
        # Items are those of the batch, whatever the view.
        other._stirred = self._stirred if batch is not None and batch is self._batch else {}
        return other

    def at(self, device: torch.device | str) -> Noise:
        """The same draws, for batches on this device; to be bound again."""
        other = self._derived(self._base, None)
        other._device = torch.device(device)
        return other

    def on(self, batch: Batch) -> Noise:
        """The same noise bound to a batch, whose keys and slots make draws per item."""
        if self._seal is not None:
            batch = batch._replace(key=self._seal.open(batch.key))
        return self._derived(self._base, batch)

    def over(self, keys: Tensor) -> Noise:
        """The same noise of a step of the clips with these keys (G,), over all processes: see :meth:`stratified`."""
        other = self._derived(self._base, self._batch)
        other._step_keys = keys
        return other

    def sealed(self, seal: Seal | None) -> Noise:
        """The same noise, to be bound to batches whose keys are sealed; None for batches with keys of their own."""
        other = self._derived(self._base, None)
        other._seal = seal
        return other

    def view(self, index: int) -> Noise:
        """Noise of one view; views never share draws."""
        derive = _base_node if torch.compiler.is_compiling() else _derived_base
        return self._derived(derive(self._base, index), self._batch)

    def between_steps(self) -> Noise:
        """Noise for work before the step, independent of that of the step and its views."""
        return self.view(-1)

    def _place(self, per: Per) -> torch.device:
        return self._device if per == "batch" or self._batch is None else self._batch.key.device

    def _items(self, per: Per) -> Tensor:
        if per == "batch":
            return torch.zeros((), dtype=torch.int64, device=self._device)
        if self._batch is None:
            raise UsageError(f"noise per {per} was asked for before noise.on(batch)")
        if per == "clip":
            return self._batch.key
        items = _items_node if torch.compiler.is_compiling() else _person_items
        return items(self._batch.key[self._batch.owner], self._batch.slot)

    def _bits(self, site: str, shape: Sequence[int], per: Per, lane: int) -> Tensor:
        item = self._items(per)
        bits = (_bits_node if torch.compiler.is_compiling() else _bits)(self._base, item, site, lane, math.prod(shape))
        return bits.reshape((*item.shape, *shape))

    def _fractions(
        self, site: str, shape: Sequence[int], per: Per, lanes: Sequence[int], dtype: torch.dtype
    ) -> list[Tensor]:
        if torch.compiler.is_compiling() or dtype not in (torch.float32, torch.float64):
            tops = [_shift(self._bits(site, shape, per, lane), 40) for lane in lanes]
            return [top.to(dtype) * 2.0**-24 for top in tops]
        if per not in self._stirred:
            self._stirred[per] = _stirred(self._items(per))
        stirred = self._stirred[per]
        whole = shape if per == "batch" else (len(stirred), *shape)
        made = _fractions(self._base, stirred, site, lanes, math.prod(shape), dtype)
        return [one.reshape(whole) for one in made]

    def uniform(
        self, site: str, shape: Sequence[int] = (), per: Per = "person", dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """U[0, 1): (P, *shape), (N, *shape) or shape for per person, clip or batch."""
        if dtype == torch.float64:
            # Where there is none, the grid's numbers are the same in float32.
            dtype = longest_float(self._place(per))
        return self._fractions(site, shape, per, (0,), dtype)[0]

    def stratified(self, site: str, shape: Sequence[int] = (), dtype: torch.dtype = torch.float32) -> Tensor:
        """U[0, 1) per clip, (N, *shape), spread evenly over all clips of the step.

        Of the G clips of all processes, with n draws each, exactly one draw lies in each G * n-th part of [0, 1), in
        random order: so ``stratified(site) < 0.5`` holds for half of the clips, and ``(stratified(site) * 4).long()``
        gives each of four patterns to a quarter. A clip has the same draw on any number of processes and parts.
        """
        clips = self._items("clip")
        if self._step_keys is None:
            raise UsageError(
                f"noise for '{site}' was to be spread over a step's clips, but is of no step: a method can spread its"
                " draws in views, forward and step hooks alone"
            )
        draw, count = (_bits_node if torch.compiler.is_compiling() else _bits), math.prod(shape)
        everywhere = draw(self._base, on_device(self._step_keys, clips.device), site, 3, count).flatten().sort().values
        place = torch.searchsorted(everywhere, draw(self._base, clips, site, 3, count)).reshape(-1, *shape)
        exact = longest_float(clips.device)
        value = (place + self.uniform(site, shape, "clip", exact)) / len(everywhere)
        # Rounding would lift what is next to 1 up to it.
        return value.clamp(max=1 - 2.0**-24).to(dtype)

    def normal(
        self, site: str, shape: Sequence[int] = (), per: Per = "person", dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """N(0, 1), shaped as :meth:`uniform` (Box and Muller 1958)."""
        first, second = self._fractions(site, shape, per, (1, 2), dtype)
        radius, angle = first + 2.0**-24, second * (2 * math.pi)
        return torch.sqrt(-2 * torch.log(radius)) * torch.cos(angle)

    def integers(self, site: str, high: int | Tensor, shape: Sequence[int] = (), per: Per = "person") -> Tensor:
        """Integers in 0..high-1, shaped as :meth:`uniform`; ``high`` may be a tensor that broadcasts."""
        draw = self.uniform(site, shape, per, torch.float64)
        if draw.dtype != torch.float64:
            # Products in float32 could reach ``high``; these are what float64 gives.
            return ((draw * 2.0**24).to(torch.int64) * high) >> 24
        return torch.floor(draw * high).to(torch.int64)

    def permutation(self, site: str, count: int, shape: Sequence[int] = (), per: Per = "person") -> Tensor:
        """Random orders of 0..count-1 along the last axis: (.., *shape, count)."""
        return self._bits(site, (*shape, count), per, 0).argsort(-1)


class ReplayNoise(Noise):
    """Returns recorded draws, to replay recorded cases.

    ``draws`` maps a site to the tensor that the first such draw returns; a list
    is consumed in order. Raises ``UsageError`` for a site without a recording.
    """

    def __init__(self, draws: Mapping[str, Tensor | Sequence[Tensor]]) -> None:
        super().__init__(0)
        self._draws: dict[str, list[Tensor]] = {
            site: [d] if isinstance(d, Tensor) else list(d) for site, d in draws.items()
        }

    def on(self, batch: Batch) -> Noise:
        """Unchanged: recorded draws do not depend on keys."""
        return self

    def sealed(self, seal: Seal | None) -> Noise:
        """Unchanged: recorded draws do not depend on keys."""
        return self

    def at(self, device: torch.device | str) -> Noise:
        """Unchanged, as for :meth:`on`."""
        return self

    def view(self, index: int) -> Noise:
        """Unchanged: use different sites for different views."""
        return self

    def _next(self, site: str) -> Tensor:
        if not self._draws.get(site):
            raise UsageError(f"no recorded draw is left for noise site '{site}'")
        return self._draws[site].pop(0)

    def uniform(
        self, site: str, shape: Sequence[int] = (), per: Per = "person", dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """The next recorded draw of the site."""
        return self._next(site).to(dtype)

    def over(self, keys: Tensor) -> Noise:
        """Unchanged, as for :meth:`on`."""
        return self

    def stratified(self, site: str, shape: Sequence[int] = (), dtype: torch.dtype = torch.float32) -> Tensor:
        """The next recorded draw of the site."""
        return self._next(site).to(dtype)

    def normal(
        self, site: str, shape: Sequence[int] = (), per: Per = "person", dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """The next recorded draw of the site."""
        return self._next(site).to(dtype)

    def integers(self, site: str, high: int | Tensor, shape: Sequence[int] = (), per: Per = "person") -> Tensor:
        """The next recorded draw of the site."""
        return self._next(site).to(torch.int64)

    def permutation(self, site: str, count: int, shape: Sequence[int] = (), per: Per = "person") -> Tensor:
        """The next recorded draw of the site."""
        return self._next(site).to(torch.int64)
