"""Evaluation protocols, one file each, and what a new one may build on."""

from sslskel.evaluation.features import clip_features, evaluating, labelled
from sslskel.evaluation.metrics import aligned, class_scores, logit_scores

__all__ = ["aligned", "class_scores", "clip_features", "evaluating", "labelled", "logit_scores"]
