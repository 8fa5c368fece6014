"""Transfer: fine-tuning on another benchmark than the one an encoder was pretrained on.

Where it was pretrained is stated by ``--pretrain-on`` or by a checkpoint; how its joints meet
those of the benchmark is in ``sslskel.encoders.adapt``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sslskel.api.encoder import Encoder
from sslskel.api.protocol import EvaluationProtocol, Outcome, Parts, ProtocolRun, Truth
from sslskel.evaluation.finetune_config import FineTuneConfig
from sslskel.evaluation.finetune_parts import CHECK_CONFIG, fine_tune_clips, fine_tune_on, fine_tune_passes
from sslskel.evaluation.metrics import aligned, logit_scores


class Transfer(EvaluationProtocol[FineTuneConfig]):
    """Fine-tune, by the same recipe, an encoder that was pretrained on other data.

    Refused on the benchmark of its pretraining. Other protocols judge such encoders too:
    ``--pretrain-on`` goes with each of them.
    """

    Config = FineTuneConfig
    needs = frozenset({"tokens"})
    trains = "all"
    trains_classifiers = True
    cross_dataset = True
    check_config: ClassVar[Mapping[str, Any]] = CHECK_CONFIG

    def passes(self, train: int, test: int) -> float:
        """As ``finetune``."""
        return fine_tune_passes(self.config, train, test)

    def check(self, parts: Parts) -> None:
        """Refuse what ``finetune`` refuses."""
        fine_tune_clips(self.config, parts)

    def evaluate(self, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> Outcome:
        """As ``finetune``, whose recipe names and options are recorded."""
        return fine_tune_on(self.config, encoders, parts, run)

    def score(self, outcome: Outcome, truth: Truth) -> dict[str, float]:
        """As ``finetune``."""
        return logit_scores(outcome.values["logits"], aligned(outcome, truth))
