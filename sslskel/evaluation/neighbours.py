"""Exact cosine neighbours at any size: similarities exist one block at a time.

Which neighbours are asked for, and what is made of them, the protocols say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from sslskel.api.devices import longest_float
from sslskel.errors import UsageError


def joined(features: Mapping[str, Tensor]) -> Tensor:
    """Streams side by side, each of length one: (n, sum of D)."""
    return torch.cat([functional.normalize(rows, dim=1) for rows in features.values()], 1)


def similarities(queries: Tensor, gallery: Tensor, block: int) -> Iterator[tuple[int, Tensor]]:
    """Cosines of queries (q, D) with gallery (g, D), a block of the gallery at a time: (first row, (q, b)).

    In float64 where the device has it, rounded to 2^-40, so that copies of a clip tie on
    every device and block. A zero vector is equally far from all.
    """
    exact = longest_float(queries.device)
    grid = 2.0**40 if exact == torch.float64 else 2.0**20
    unit = functional.normalize(queries.to(exact), dim=1)
    for start in range(0, len(gallery), block):
        others = functional.normalize(gallery[start : start + block].to(exact), dim=1)
        yield start, (unit @ others.T).mul_(grid).round_().div_(grid)


def nearest(queries: Tensor, gallery: Tensor, k: int, block: int = 4096) -> tuple[Tensor, Tensor]:
    """Rows of the k most similar of ``gallery``, nearest first, and how similar they are: (q, k) each.

    Of ties the earlier row comes first.
    """
    rows, cosines = [], []
    for part in torch.split(queries, block):
        best: Tensor | None = None
        at = torch.empty(len(part), 0, dtype=torch.int64, device=part.device)
        for start, values in similarities(part, gallery, block):
            near, where = _largest(values, min(k, values.shape[1]))
            # Earlier rows stand first and the sort is stable, so ties keep their order.
            both = near if best is None else torch.cat([best, near], 1)
            best, order = both.sort(dim=1, descending=True, stable=True)
            at = torch.cat([at, where + start], 1).gather(1, order)[:, :k]
            best = best[:, :k]
        assert best is not None
        rows.append(at)
        cosines.append(best)
    return torch.cat(rows), torch.cat(cosines)


def _largest(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of each row and where they are; the first of equals first. Spoils ``values``."""
    # torch.topk leaves open which of equal values it returns; max says the first.
    top, at = [], []
    for _ in range(k):
        value, index = values.max(1, keepdim=True)
        top.append(value)
        at.append(index)
        values.scatter_(1, index, -torch.inf)
    return torch.cat(top, 1), torch.cat(at, 1)


def ranks(queries: Tensor, gallery: Tensor, block: int) -> Tensor:
    """Place, from 0, of every gallery row in the order of its similarity to each query: (q, g) int64.

    Of ties the earlier row comes first.
    """
    table = torch.cat([values for _, values in similarities(queries, gallery, block)], 1)
    order = table.argsort(dim=1, descending=True, stable=True)
    places = torch.arange(len(gallery), device=order.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places)


def require_neighbours(option: str, k: int, gallery: int) -> None:
    """Raise ``UsageError`` where the option asks for more neighbours than there are."""
    if k > gallery:
        raise UsageError(
            f"{option} is {k}, but the training part has {gallery} labelled clips; choose a k that is not larger"
        )
