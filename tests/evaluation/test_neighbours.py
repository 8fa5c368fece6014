"""Exact neighbours, whatever the size of a block."""

from __future__ import annotations

import torch

from sslskel.evaluation.neighbours import nearest


def test_neighbours_are_exact_at_any_block_and_the_earlier_of_equals_comes_first() -> None:
    generator = torch.Generator().manual_seed(0)
    gallery = torch.randint(-2, 3, (60, 3), generator=generator).float()
    gallery = torch.cat([gallery, gallery])
    queries = torch.randint(-2, 3, (25, 3), generator=generator).float()
    unit = torch.nn.functional.normalize
    similarity = unit(queries.double(), dim=1) @ unit(gallery.double(), dim=1).T
    similarity = (similarity * 2.0**40).round()
    wanted = similarity.sort(dim=1, descending=True, stable=True)[1][:, :4]
    for block in (1, 7, 64, 1000):
        assert torch.equal(nearest(queries, gallery, 4, block)[0], wanted)
