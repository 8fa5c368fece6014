"""A protocol of one's own: a ridge classifier in closed form, a linear probe without a rate, an epoch or a seed.

Features are centred; each class is a target of 1 and 0 (Hastie et al., The Elements of Statistical Learning, 4.2).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch.nn.functional import one_hot

from sslskel import (
    Encoder,
    EvaluationProtocol,
    Noise,
    Outcome,
    Parts,
    ProtocolRun,
    Truth,
    aligned,
    clip_features,
    evaluating,
    labelled,
    logit_scores,
    require,
)


@dataclass
class OwnProtocolConfig:
    penalty: float = 1e-3
    """Weight of the squared norm of the weights, beside a mean square of the features of 1."""
    encode_batch: int = 128
    """Clips that an encoder sees at a time; a matter of memory and speed only."""

    def __post_init__(self) -> None:
        require(0 < self.penalty < 1e6, f"protocol.penalty is {self.penalty}; it must be positive")
        require(self.encode_batch >= 1, f"protocol.encode_batch is {self.encode_batch}; it must be at least 1")


class OwnProtocol(EvaluationProtocol[OwnProtocolConfig]):
    Config = OwnProtocolConfig

    def evaluate(self, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> Outcome:
        known, size = labelled(parts.train, "training"), self.config.encode_batch
        with evaluating(encoders):
            train = clip_features(encoders, known, "test", Noise(run.seed), size, run)
            test = clip_features(encoders, parts.test, "test", Noise(run.seed), size, run)
        x, asked = (torch.cat(list(streams.values()), 1).double() for streams in (train, test))  # (n, D), (R, D)
        y = one_hot(known.labels.to(x.device), len(parts.classes)).to(x)
        mean = x.mean(0)
        x = x - mean
        penalty = (
            self.config.penalty * x.square().mean() * len(x) * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        )
        weights = torch.linalg.solve(x.T @ x + penalty, x.T @ (y - y.mean(0)))
        logits = (asked - mean) @ weights + y.mean(0)
        info = {"recipe": f"ridge, penalty {self.config.penalty:g}", "selection": "none", "labels": len(known)}
        return Outcome(parts.test.keys.cpu().numpy(), {"logits": logits.cpu().numpy()}, info=info)

    def score(self, outcome: Outcome, truth: Truth) -> dict[str, float]:
        return logit_scores(outcome.values["logits"], aligned(outcome, truth))
