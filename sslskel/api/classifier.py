"""What a supervised reference brings to protocols that train on labels: a head and a loss of its own.

Letters as in ``encoder``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from sslskel.api.batch import Batch, StepOutput
from sslskel.api.noise import Noise


class Classifier(nn.Module, ABC):
    """An encoder, held as a part so that all weights train together, with a head and a loss that may read labels.

    ``Encoder.classifier`` builds one for each training, with weights of the run's seed. Nowhere else does anything
    that a method brings see a label: pretraining withholds them.
    """

    @abstractmethod
    def forward(self, batch: Batch, noise: Noise) -> StepOutput:
        """Terms of the loss of N clips with their labels in ``batch.label``; ``noise`` is bound to the batch."""

    @abstractmethod
    def logits(self, batch: Batch) -> Tensor:
        """(N, num_classes) in eval mode, of clips whose labels are withheld."""


__all__ = ["Classifier"]
