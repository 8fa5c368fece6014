"""The learning rate as a function of fractional epochs, and weight decay over steps."""

from __future__ import annotations

import math

from sslskel.api.schedules import ConstantSchedule, CosineSchedule, LinearSchedule, StepSchedule
from sslskel.config.groups import DecayCourse, Schedule, TrainConfig


def learning_rate(train: TrainConfig, epoch: float) -> float:
    """Linear warm-up from 0 to ``lr``, then the schedule: half a cosine, as released MAMP, or a line to ``min_lr``."""
    if epoch < train.warmup_epochs:
        return train.lr * epoch / train.warmup_epochs
    if train.schedule is Schedule.constant:
        return train.lr
    if train.schedule is Schedule.step:
        return train.lr * train.decay ** sum(epoch >= milestone for milestone in train.milestones)
    span = max(train.epochs - train.warmup_epochs, 1e-12)
    turn = min((epoch - train.warmup_epochs) / span, 1.0)
    left = 1 - turn if train.schedule is Schedule.linear else 0.5 * (1 + math.cos(math.pi * turn))
    return train.min_lr + (train.lr - train.min_lr) * left


def weight_decay(train: TrainConfig) -> StepSchedule:
    """From ``weight_decay`` to ``weight_decay_end`` over all of training, unless it is constant."""
    if train.weight_decay_course is DecayCourse.constant:
        return ConstantSchedule(train.weight_decay)
    kind = LinearSchedule if train.weight_decay_course is DecayCourse.linear else CosineSchedule
    return kind(train.weight_decay, train.weight_decay_end)
