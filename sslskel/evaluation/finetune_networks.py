"""What fine-tuning trains: an encoder with the protocol's head, or what brings its own, as supervised references do.

Optimisers, clips and epochs are in ``finetune_training``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel.api.batch import Batch
from sslskel.api.classifier import Classifier
from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.api.protocol import ProtocolRun
from sslskel.errors import UsageError
from sslskel.evaluation.features import feature_dtype
from sslskel.evaluation.finetune_head import FineTuneHead
from sslskel.evaluation.linear_head import LinearHead


class Trainable(Protocol):
    """An encoder and what is on it."""

    @property
    def head(self) -> list[nn.Parameter]:
        """All that is trained beside the encoder."""
        ...

    @property
    def reads_unlabelled(self) -> bool:
        """Whether steps have clips without labels too."""
        ...

    def start_epoch(self, clips: Iterator[Batch]) -> None:
        """Before an epoch, where it reads unlabelled clips: all of the training part in the test view."""
        ...

    def train(self, mode: bool = True) -> object:
        """Training or eval mode, of the encoder too."""
        ...

    def loss(self, batch: Batch, noise: Noise) -> Tensor:
        """The loss of a batch with labels, a scalar; ``noise`` is that of the step."""
        ...

    def logits(self, batch: Batch) -> Tensor:
        """(N, num_classes)."""
        ...


class WithHead:
    """The protocol's head, on all tokens or on the clip's feature alone, and cross entropy."""

    reads_unlabelled = False

    def __init__(
        self,
        encoder: Encoder,
        head: FineTuneHead | LinearHead,
        smoothing: float,
        run: ProtocolRun,
        dropped: float = 0.0,
    ) -> None:
        self._encoder, self._head, self._smoothing, self._run = encoder, head, smoothing, run
        self._dropped = dropped

    def start_epoch(self, clips: Iterator[Batch]) -> None:
        """Nothing: it reads labelled clips alone."""

    @property
    def head(self) -> list[nn.Parameter]:
        """All that is trained beside the encoder."""
        return list(self._head.parameters())

    def train(self, mode: bool = True) -> None:
        """Training or eval mode, of the encoder too."""
        self._encoder.train(mode)
        self._head.train(mode)

    def loss(self, batch: Batch, noise: Noise) -> Tensor:
        """Cross entropy with smoothed labels, which the encoder does not see."""
        seen = batch.unlabelled()
        self._encoder.bind(seen, noise)
        with self._run.autocast():
            logits = self._scores(seen, noise.on(seen))
        return functional.cross_entropy(
            logits.to(feature_dtype(self._run)), batch.label, label_smoothing=self._smoothing
        )

    def logits(self, batch: Batch) -> Tensor:
        """(N, num_classes)."""
        with self._run.autocast():
            logits = self._scores(batch, None)
        return logits.to(feature_dtype(self._run))

    def _scores(self, batch: Batch, noise: Noise | None) -> Tensor:
        if isinstance(self._head, LinearHead):
            feature = self._encoder.clip(batch)
            if noise is not None and self._dropped > 0:
                draw = noise.uniform("feature dropout", (feature.shape[1],), per="clip")
                feature = feature * ((draw >= self._dropped).to(feature.dtype) / (1 - self._dropped))
            scores: Tensor = self._head(feature)
        else:
            scores = self._head(self._encoder.tokens(batch), noise)
        return scores


class WithOwn:
    """A supervised reference: its own head and loss."""

    def __init__(self, stream: str, encoder: Encoder, classes: int, seed: int, run: ProtocolRun) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed % 2**63)
            made = encoder.classifier(classes)
        if not isinstance(made, Classifier):
            raise UsageError(f"classifier() of the {stream} encoder returned {made!r}, not a Classifier")
        self._own = made.to(device=run.device, dtype=feature_dtype(run))
        self._encoder, self._stream, self._classes, self._run = encoder, stream, classes, run

    @property
    def head(self) -> list[nn.Parameter]:
        """All that is trained beside the encoder."""
        known = {id(parameter) for parameter in self._encoder.parameters()}
        return [parameter for parameter in self._own.parameters() if id(parameter) not in known]

    @property
    def reads_unlabelled(self) -> bool:
        """Whether its classifier does."""
        return self._own.reads_unlabelled

    @torch.no_grad()
    def start_epoch(self, clips: Iterator[Batch]) -> None:
        """Its classifier's, in eval mode."""
        self.train(False)
        with self._run.autocast():
            self._own.on_epoch_start(clips)

    def train(self, mode: bool = True) -> None:
        """Training or eval mode, of the encoder too."""
        self._encoder.train(mode)
        self._own.train(mode)

    def loss(self, batch: Batch, noise: Noise) -> Tensor:
        """The sum of its terms."""
        self._encoder.bind(batch, noise)
        with self._run.autocast():
            output = self._own(batch, noise.over(batch.key).on(batch))
        loss: Tensor = output.loss()
        return loss

    def logits(self, batch: Batch) -> Tensor:
        """(N, num_classes)."""
        with self._run.autocast():
            logits = self._own.logits(batch)
        wanted = (batch.num_clips, self._classes)
        if tuple(logits.shape) != wanted:
            raise UsageError(
                f"logits() of the {self._stream} encoder's classifier has shape {tuple(logits.shape)}, not {wanted}"
            )
        return logits.to(feature_dtype(self._run))
