"""Transfer: fine-tuning on another benchmark than the one an encoder was pretrained on.

Where it was pretrained is said by ``--pretrain-on`` or by a checkpoint; how its joints meet
those of the benchmark is in ``sslskel.encoders.adapt``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sslskel.api.encoder import Encoder
from sslskel.api.protocol import EvaluationProtocol, Outcome, Parts, ProtocolRun, Truth
from sslskel.evaluation.finetune_training import FineTuneConfig
from sslskel.protocols.finetune import FineTune


class Transfer(EvaluationProtocol):
    """Fine-tune, by the same recipe, an encoder that was pretrained on other data.

    Refused on the benchmark of its pretraining. Other protocols judge such encoders too:
    ``--pretrain-on`` goes with each of them.
    """

    Config = FineTuneConfig
    needs = FineTune.needs
    trains = "all"
    elsewhere = True
    short: ClassVar[Mapping[str, Any]] = FineTune.short
    config: FineTuneConfig

    def __init__(self, config: FineTuneConfig) -> None:
        super().__init__(config)
        self.tuning = FineTune(config)

    def passes(self, train: int, test: int) -> float:
        """As ``finetune``."""
        return self.tuning.passes(train, test)

    def check(self, parts: Parts) -> None:
        """Refuse what ``finetune`` refuses."""
        self.tuning.check(parts)

    def evaluate(self, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> Outcome:
        """As ``finetune``, whose recipe names and options are recorded."""
        return self.tuning.evaluate(encoders, parts, run)

    def score(self, outcome: Outcome, truth: Truth) -> dict[str, float]:
        """As ``finetune``."""
        return self.tuning.score(outcome, truth)
