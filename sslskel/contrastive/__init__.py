"""What several contrastive methods share: key encoders, queues, projectors, losses, options and recipes.

All that a method builds on can be imported from here.
"""

from sslskel.api.batch import mean_term
from sslskel.contrastive.config import (
    EMPTY_BODIES_COUNT,
    ContrastConfig,
    decay_all,
    require_distillation,
    require_mining,
    require_queue,
    require_shear,
    require_streams,
    require_temperature,
    require_weight,
)
from sslskel.contrastive.losses import (
    cross_entropy,
    divergence,
    info_nce,
    masked_error,
    nearest,
    positives_nce,
)
from sslskel.contrastive.momentum import MomentumContrast, MomentumSteps, ReleasedSteps, momentum_contrast
from sslskel.contrastive.queue import Queue
from sslskel.contrastive.redundancy import normalised_head, pulled_together, spread_out
from sslskel.contrastive.sgd_recipe import CROPPED_CLIP, WHOLE_CLIP, sgd_recipe
from sslskel.contrastive.tower import HeadInit, Tower, in_slots, mean_over_persons, start_normal, stream_input

__all__ = [
    "CROPPED_CLIP",
    "EMPTY_BODIES_COUNT",
    "WHOLE_CLIP",
    "ContrastConfig",
    "HeadInit",
    "MomentumContrast",
    "MomentumSteps",
    "Queue",
    "ReleasedSteps",
    "Tower",
    "cross_entropy",
    "decay_all",
    "divergence",
    "in_slots",
    "info_nce",
    "masked_error",
    "mean_over_persons",
    "mean_term",
    "momentum_contrast",
    "nearest",
    "normalised_head",
    "positives_nce",
    "pulled_together",
    "require_distillation",
    "require_mining",
    "require_queue",
    "require_shear",
    "require_streams",
    "require_temperature",
    "require_weight",
    "sgd_recipe",
    "spread_out",
    "start_normal",
    "stream_input",
]
