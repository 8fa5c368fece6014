"""Gathered rows, sums and batches on two processes (gloo, loopback), against the same on one."""

from __future__ import annotations

import multiprocessing
import os
import socket
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from pretended_processes import in_threads
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.distributed import (
    clip_counts,
    clips_known,
    gather_rows,
    of_all,
    own_rows,
    rank,
    row_counts,
    sum_over_processes,
    world_size,
)
from sslskel.errors import UsageError

CPU = torch.device("cpu")
CLIPS = (3, 2)
"""Clips of each of two processes."""
GATHERED = ("tracks", "slot", "key", "label")
"""Fields of a batch that mean the same on every process: floats and integers, per person and per clip."""


def whole() -> Batch:
    """Five clips; the second and the fourth hold two persons."""
    owner = torch.tensor([0, 1, 1, 2, 3, 3, 4])
    slot = torch.tensor([0, 0, 1, 0, 0, 1, 0])
    tracks = torch.arange(7 * 4 * 2 * 3, dtype=torch.float64).reshape(7, 4, 2, 3).sin()
    valid = torch.arange(28).reshape(7, 4) % 3 > 0
    return Batch(tracks, valid, owner, slot, torch.arange(5) * 11, torch.tensor([1, 0, -1, 2, 1]), torch.arange(5))


def part(batch: Batch, begin: int, end: int) -> Batch:
    """Clips begin to end of a batch, as one process would hold them."""
    mine = (batch.owner >= begin) & (batch.owner < end)
    rows = [field[mine] for field in (batch.tracks, batch.valid, batch.owner - begin, batch.slot)]
    return Batch(*rows, batch.key[begin:end], batch.label[begin:end], batch.position[begin:end])


def objective(rows: Tensor) -> Tensor:
    """A loss in which every row meets every other, after centring by the mean of all."""
    every = gather_rows(rows)
    mean = sum_over_processes(rows.sum(0)) / every.shape[0]
    return ((rows - mean) @ (every - mean).T).square().sum()


def worker(process: int, port: int, folder: str) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=process, world_size=len(CLIPS))
    try:
        begin = sum(CLIPS[:process])
        batch = part(whole(), begin, begin + CLIPS[process])
        gathered = {name: gather_rows(getattr(batch, name)) for name in GATHERED}
        rows = batch.tracks.flatten(1).requires_grad_()
        objective(rows).backward()
        none = gather_rows(torch.zeros(process, 3))
        result = {
            **gathered,
            "grad": rows.grad,
            "own": own_rows(gathered["key"], batch.num_clips) - batch.key,
            "none": torch.tensor(none.shape),
            "who": torch.tensor([rank(), world_size()]),
        }
        torch.save(result, Path(folder) / f"{process}.pt")
    finally:
        dist.destroy_process_group()


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Tensor]]:
    """What each of two processes saw."""
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=worker, args=(process, port, str(folder))) for process in range(len(CLIPS))]
    for one in workers:
        one.start()
    for one in workers:
        one.join(120)
    assert [one.exitcode for one in workers] == [0] * len(CLIPS)
    return [torch.load(folder / f"{process}.pt", weights_only=True) for process in range(len(CLIPS))]


def test_gathered_rows_are_those_of_the_global_batch_in_global_order(results: list[dict[str, Tensor]]) -> None:
    for result in results:
        for name in GATHERED:
            assert torch.equal(result[name], getattr(whole(), name)), name


def test_gradients_through_gathers_and_sums_equal_those_of_one_process(results: list[dict[str, Tensor]]) -> None:
    rows = whole().tracks.flatten(1).requires_grad_()
    objective(rows).backward()
    assert rows.grad is not None
    torch.testing.assert_close(torch.cat([result["grad"] for result in results]), rows.grad, rtol=1e-12, atol=1e-12)


def test_every_process_finds_its_own_rows_and_may_have_none(results: list[dict[str, Tensor]]) -> None:
    for process, result in enumerate(results):
        assert not result["own"].any()
        assert result["none"].tolist() == [1, 3]
        assert result["who"].tolist() == [process, len(CLIPS)]


def test_one_process_gathers_by_doing_nothing() -> None:
    batch = whole()
    assert gather_rows(batch.tracks) is batch.tracks
    assert sum_over_processes(batch.tracks) is batch.tracks
    assert own_rows(batch.key, 5) is batch.key
    assert (rank(), world_size()) == (0, 1)


def test_known_numbers_of_clips_are_not_asked_for() -> None:
    batch = whole()

    def gathered(process: int) -> tuple[Tensor, Tensor]:
        begin = sum(CLIPS[:process])
        own = batch.key[begin : begin + CLIPS[process]]
        # Blocks belong to a process, of which a thread is only a picture.
        counts = clip_counts(len(own), own.device)
        return gather_rows(own, counts), own_rows(batch.key, len(own), counts) - own

    with clips_known(CLIPS):
        results, calls = in_threads(2, gathered)
    assert calls == {"all_gather": 1}
    for every, apart in results:
        assert torch.equal(every, batch.key)
        assert not apart.any()
    _, calls = in_threads(2, gathered)
    assert calls == {"all_gather": 2}
    with clips_known(()):
        assert clip_counts(7, batch.key.device) == [7]


def test_numbers_of_other_rows_are_refused() -> None:
    def wrong(process: int) -> None:
        with pytest.raises(UsageError, match=r"gathers 4 rows, where .* processes: 3, 2"):
            gather_rows(torch.zeros(4), CLIPS)
        with pytest.raises(UsageError, match="counts of these very rows"):
            clip_counts(4, CPU)

    with clips_known(CLIPS):
        _, calls = in_threads(2, wrong)
    assert not calls


def test_one_tensor_of_every_process_in_order_of_rank() -> None:
    results, _ = in_threads(3, lambda process: (of_all(torch.full((2,), process)), row_counts(process, CPU)))
    for every, counts in results:
        assert every.tolist() == [[0, 0], [1, 1], [2, 2]]
        assert counts == [0, 1, 2]
    assert of_all(torch.ones(2)).tolist() == [[1, 1]]
