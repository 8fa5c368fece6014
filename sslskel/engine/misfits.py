"""What a method, its batches and the number of processes must have in common; refused before the first step."""

from __future__ import annotations

from sslskel.api.distributed import world_size
from sslskel.api.method import PretextMethod
from sslskel.config.groups import TrainConfig
from sslskel.engine.sampler import EpochSampler
from sslskel.errors import UsageError


def refuse_misfits(method: PretextMethod, train: TrainConfig, sampler: EpochSampler) -> None:
    """Raise ``UsageError`` where the method cannot be trained on such batches, parts or processes."""
    refuse_labels(method)
    refuse_parts(method, train)
    normalised, parts = _is_normalised(method), train.accumulate
    mixing = method.cross_batch or normalised
    method.require_batches(sampler.smallest, sampler.largest)
    if method.trains and sampler.smallest < 2 and normalised:
        raise UsageError(
            f"a batch of one clip has no batch statistics, which {type(method).__name__} needs; use a train.batch_size"
            " that leaves no single clip over, or train.drop_last=true"
        )
    if mixing and sampler.smallest // parts < world_size():
        part = "part of a batch" if parts > 1 else "batch"
        raise UsageError(
            f"the smallest {part} has {sampler.smallest // parts} clips for {world_size()} processes, but clips of"
            f" {type(method).__name__} see each other; use train.drop_last=true, another batch size or fewer processes"
        )


def refuse_labels(method: PretextMethod) -> None:
    """Raise ``UsageError`` for a method that reads labels and asks to be pretrained."""
    if method.reads_labels and method.trains:
        raise UsageError(
            f"{type(method).__name__} reads labels, which pretraining withholds: set trains = False, and give its"
            " encoders a classifier() for protocols that train on labels"
        )


def refuse_parts(method: PretextMethod, train: TrainConfig) -> None:
    """Raise ``UsageError`` where batches are to be cut into parts, but all clips of one see each other."""
    whole = _is_normalised(method) or (method.cross_batch and not method.negatives_per_part)
    if whole and train.accumulate > 1:
        raise UsageError(
            f"train.accumulate={train.accumulate} cannot be used with {type(method).__name__}, whose clips see each"
            " other: a batch in parts is another batch; use train.accumulate=1"
        )


def _is_normalised(method: PretextMethod) -> bool:
    return any(getattr(module, "batch_statistics", False) for module in method.modules())
