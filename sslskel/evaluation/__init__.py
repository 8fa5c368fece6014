"""How encoders are judged: what protocols may build on, and the one place that sees test labels.

The names below are those a protocol of your own needs; they are imported when first used.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sslskel.evaluation.features import clip_features, evaluating, labelled
    from sslskel.evaluation.metrics import aligned, class_scores, logit_scores

__all__ = ["aligned", "class_scores", "clip_features", "evaluating", "labelled", "logit_scores"]

_MODULES = {
    "aligned": "metrics",
    "class_scores": "metrics",
    "clip_features": "features",
    "evaluating": "features",
    "labelled": "features",
    "logit_scores": "metrics",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'sslskel.evaluation' has no attribute '{name}'")
    return getattr(importlib.import_module(f"sslskel.evaluation.{_MODULES[name]}"), name)
