"""The learning rate as a function of fractional epochs."""

from __future__ import annotations

import math

from sslskel.config.groups import Schedule, TrainConfig


def learning_rate(train: TrainConfig, epoch: float) -> float:
    """Linear warm-up from 0 to ``lr``, then the schedule (released MAMP: half a cosine to ``min_lr``)."""
    if epoch < train.warmup_epochs:
        return train.lr * epoch / train.warmup_epochs
    if train.schedule is Schedule.constant:
        return train.lr
    if train.schedule is Schedule.step:
        return train.lr * train.decay ** sum(epoch >= milestone for milestone in train.milestones)
    span = max(train.epochs - train.warmup_epochs, 1e-12)
    turn = min((epoch - train.warmup_epochs) / span, 1.0)
    return train.min_lr + (train.lr - train.min_lr) * 0.5 * (1 + math.cos(math.pi * turn))
