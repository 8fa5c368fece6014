"""What a supervised reference or a semi-supervised system brings to protocols that train on labels: head and loss.

Letters as in ``encoder``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from torch import Tensor, nn

from sslskel.api.batch import Batch, StepOutput
from sslskel.api.noise import Noise


class Classifier(nn.Module, ABC):
    """An encoder, held as a part so that all weights train together, with a head and a loss that may read labels.

    ``Encoder.classifier`` builds one for each training, with weights of the run's seed. Nowhere else does anything
    that a method brings see a label: pretraining withholds them.
    """

    reads_unlabelled: ClassVar[bool] = False
    """True for a semi-supervised system: a step then has as many clips whose label is withheld, -1, as labelled ones,
    as far as there are any, and :meth:`on_epoch_start` is called."""

    def on_epoch_start(self, clips: Iterator[Batch]) -> None:
        """Before each epoch, in eval mode and without gradients, where it reads unlabelled clips: a pass over all of
        the training part in the test view.

        ``Batch.position`` has the clips' rows, here and in steps, from 0 on; labels that are withheld are -1.
        """

    @abstractmethod
    def forward(self, batch: Batch, noise: Noise) -> StepOutput:
        """Terms of the loss of N clips with their labels in ``batch.label``; ``noise`` is bound to the batch."""

    @abstractmethod
    def logits(self, batch: Batch) -> Tensor:
        """(N, num_classes) in eval mode, of clips whose labels are withheld."""


__all__ = ["Classifier"]
