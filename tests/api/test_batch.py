"""Batches of present persons, to and from the dense tensors of released code; terms of a loss."""

from __future__ import annotations

import torch

from sslskel.api.batch import Batch, StepOutput, Term, mean_term


def dense() -> torch.Tensor:
    """(N, C, T, V, M) = (3, 3, 4, 5, 2): one person, two persons, then nobody; a frame without the second."""
    x = torch.arange(3 * 3 * 4 * 5 * 2, dtype=torch.float64).reshape(3, 3, 4, 5, 2).cos()
    x[0, ..., 1] = 0
    x[2] = 0
    x[1, :, 2, :, 1] = 0
    return x


def test_only_present_persons_have_rows() -> None:
    batch = Batch.from_dense(dense())
    assert batch.owner.tolist() == [0, 1, 1]
    assert batch.slot.tolist() == [0, 0, 1]
    assert batch.num_clips == 3
    assert batch.valid.tolist() == [[True] * 4, [True] * 4, [True, True, False, True]]
    assert torch.equal(batch.tracks[2], dense()[1, ..., 1].permute(1, 2, 0))
    assert batch.label.tolist() == [-1, -1, -1]
    assert batch.key.tolist() == [0, 1, 2]


def test_dense_and_back_is_exact() -> None:
    assert torch.equal(Batch.from_dense(dense()).dense(2), dense())


def test_every_slot_has_a_row_in_a_filled_batch() -> None:
    batch = Batch.from_dense(dense(), key=torch.tensor([7, 8, 9]))
    filled = batch.filled(2)
    assert filled.owner.tolist() == [0, 0, 1, 1, 2, 2]
    assert filled.slot.tolist() == [0, 1] * 3
    assert filled.key.tolist() == [7, 8, 9]
    assert torch.equal(filled.dense(2), dense())
    assert not filled.valid[[1, 4, 5]].any()
    assert not filled.tracks[[1, 4, 5]].any()


def test_joined_rows_hold_the_persons_side_by_side() -> None:
    joined = Batch.from_dense(dense()).joined(2)
    assert joined.shape == (3, 4, 10, 3)
    for person in range(2):
        assert torch.equal(joined[:, :, 5 * person : 5 * person + 5], dense()[..., person].permute(0, 2, 3, 1))


def test_some_rows_of_a_batch() -> None:
    known = torch.tensor([[True, False], [True, True], [False, True]])
    batch = Batch.from_dense(torch.arange(1.0, 17).reshape(2, 1, 2, 2, 2))._replace(key=torch.tensor([7, 8]))
    batch = batch.rows(torch.tensor([True, True, False, True]))._replace(known=known)
    assert (batch.owner.tolist(), batch.slot.tolist()) == ([0, 0, 1], [0, 1, 1])
    twice = batch.rows(torch.tensor([1, 2, 2]))
    assert (twice.owner.tolist(), twice.slot.tolist(), twice.key.tolist()) == ([0, 1, 1], [1, 1, 1], [7, 8])
    assert torch.equal(twice.tracks, batch.tracks[[1, 2, 2]])
    assert torch.equal(twice.valid, batch.valid[[1, 2, 2]])
    assert torch.equal(twice.known, known[[1, 2, 2]])


def test_gradients_pass_through_dense() -> None:
    batch = Batch.from_dense(dense())
    tracks = batch.tracks.clone().requires_grad_()
    batch._replace(tracks=tracks).dense(2).square().sum().backward()
    assert tracks.grad is not None
    assert torch.equal(tracks.grad, 2 * tracks.detach())


def test_a_type_applies_to_tracks_alone() -> None:
    batch = Batch.from_dense(dense()).to(torch.float32)
    assert batch.tracks.dtype is torch.float32
    assert batch.owner.dtype is torch.int64
    assert batch.valid.dtype is torch.bool


def test_a_loss_is_the_sum_of_scaled_means() -> None:
    terms = {
        "a": Term(torch.tensor(6.0), torch.tensor(3.0)),
        "b": Term(torch.tensor(1.0), torch.tensor(4.0), scale=40.0),
    }
    assert float(StepOutput(terms).loss()) == 2 + 10


def test_the_term_of_a_mean_is_over_all_values_of_any_shape() -> None:
    values = torch.arange(6.0).reshape(2, 3)
    term = mean_term(values, 0.5)
    assert (float(term.total), float(term.count), term.scale) == (15.0, 6.0, 0.5)
    assert float(StepOutput({"a": term}).loss()) == 0.5 * 2.5
    parts = [mean_term(part) for part in (values[:1], values[1:], values[:0])]
    assert float(sum(part.total for part in parts) / sum(part.count for part in parts)) == 2.5


def test_a_mean_of_half_precision_counts_beyond_256() -> None:
    term = mean_term(torch.ones(1000, dtype=torch.bfloat16) / 2)
    assert (float(term.total), float(term.count)) == (500, 1000)
    assert term.total.dtype == torch.float32


def test_a_clip_ends_with_the_last_frame_in_which_anyone_is_valid() -> None:
    tracks = torch.zeros(3, 5, 2, 3)
    valid = torch.tensor([[1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [1, 0, 0, 0, 0]], dtype=torch.bool)
    owner, nothing = torch.tensor([0, 0, 2]), torch.zeros(3, dtype=torch.int64)
    batch = Batch(tracks, valid, owner, torch.tensor([0, 1, 0]), torch.arange(3), nothing, nothing)
    assert batch.lengths().tolist() == [4, 0, 1], "the second clip has no one"
