"""Methods whose clips see each other: one that is right on several processes, and one for each way to be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from sound_method import Sound
from torch import Tensor, nn
from torch.nn import functional

from sslskel.api.batch import Batch, StepOutput, Term
from sslskel.api.distributed import gather_rows, rank, row_counts, world_size
from sslskel.api.noise import Noise
from sslskel.api.view import ViewSpec


class Contrast(Sound):
    """Clips of two views attract, clips of the whole batch repel."""

    cross_batch = True

    def views(self) -> tuple[ViewSpec, ...]:
        return (self.clip.train_view,) * 2

    def features(self, batch: Batch) -> Tensor:
        """(N, D): the mean over persons, frames and joints."""
        persons = self.head(self.backbone(batch.tracks)).mean((1, 2))
        sums = persons.new_zeros(batch.num_clips, persons.shape[1]).index_add(0, batch.owner, persons)
        return sums / batch.owner.bincount(minlength=batch.num_clips)[:, None]

    def others(self, rows: Tensor) -> Tensor:
        return gather_rows(rows)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Any) -> StepOutput:
        query, key = (self.features(view) for view in views)
        keys = self.others(key)
        first = sum(row_counts(len(key), key.device)[: rank()]) if len(keys) > len(key) else 0
        own = first + torch.arange(len(key))
        return StepOutput({"agree": self.term(functional.cross_entropy(query @ keys.T, own, reduction="none"))})

    def term(self, values: Tensor) -> Term:
        return Term(values.sum(), values.new_tensor(float(len(values))))


class ForgottenGather(Contrast):
    """Compares with the clips of its own process alone."""

    def others(self, rows: Tensor) -> Tensor:
        return rows


class MeanWithCountOne(Contrast):
    """Hands over a mean, so that 4 clips and 3 weigh the same."""

    def term(self, values: Tensor) -> Term:
        return Term(values.mean(), values.new_ones(()))


class DetachedGather(Contrast):
    """Gathers in its own way, through which no gradient comes back."""

    def others(self, rows: Tensor) -> Tensor:
        if world_size() == 1:
            return rows
        counts = row_counts(len(rows), rows.device)
        padded = [rows.new_zeros(max(counts), rows.shape[1]) for _ in counts]
        dist.all_gather(padded, functional.pad(rows.detach(), (0, 0, 0, max(counts) - len(rows))))
        parts = [part[:count] for part, count in zip(padded, counts, strict=True)]
        parts[rank()] = rows
        return torch.cat(parts)


class Bank(Contrast):
    """Attracts to the own place of a bank of past clips, and repels from the others."""

    gathers = True

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.register_buffer("bank", torch.randn(16, self.head.out_features))

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Any) -> StepOutput:
        query, key = (self.features(view) for view in views)
        logits = torch.cat([(query * key).sum(1, keepdim=True), query @ self.bank.T.to(query)], 1)
        self.new = key.detach()
        return StepOutput({"agree": self.term(logits.logsumexp(1) - logits[:, 0])})

    def on_step_end(self, *args: Any) -> None:
        rows = gather_rows(self.new) if self.gathers else self.new
        self.bank.copy_(torch.cat([rows, self.bank])[: len(self.bank)])


class BankOfOwnClips(Bank):
    """Every process keeps its own clips alone."""

    gathers = False


class OwnStatistics(Sound):
    """Batch normalisation of torch, which sees the rows of its process."""

    cross_batch = True

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.norm = nn.BatchNorm1d(self.clip.layout.num_joints)

    def tracks(self, views: Sequence[Batch], noise: Noise) -> Tensor:
        return self.norm(views[0].tracks.flatten(0, 1)).reshape(views[0].tracks.shape)


class FailsBeside(Contrast):
    """Does not work as one of several."""

    def others(self, rows: Tensor) -> Tensor:
        if world_size() > 1:
            raise ValueError("not beside others")
        return rows


class WaitsForNobody(Contrast):
    """Exchanges rows on the first process alone, which waits for the others for ever."""

    def others(self, rows: Tensor) -> Tensor:
        if world_size() > 1 and rank() == 0:
            dist.barrier()
        return super().others(rows)
