"""Fine-tuning: an encoder and a head trained together, one pair per stream.

Their options are in ``finetune_config``, the head is in ``finetune_head``. Which clips they are trained on, and
what is reported, the protocols say.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sslskel.api.batch import Batch
from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.api.protocol import ClipSet, ProtocolRun
from sslskel.api.view import ViewSpec
from sslskel.config.groups import Optimiser, TrainConfig
from sslskel.engine.optim import FUSED, set_rate
from sslskel.engine.optimisers import SGD, Adam, AdamW
from sslskel.engine.schedule import learning_rate
from sslskel.errors import Diverged, RunError, UsageError
from sslskel.evaluation.features import feature_dtype
from sslskel.evaluation.finetune_config import FineTuneConfig, Head, Start
from sslskel.evaluation.finetune_head import FineTuneHead
from sslskel.evaluation.finetune_networks import Trainable, WithHead, WithOwn
from sslskel.evaluation.linear_head import HeadStart, LinearHead, initial_deviation, mini_batches
from sslskel.evaluation.selection import Report, Selection
from sslskel.hashing import stable_id


@dataclass(frozen=True)
class Tuned:
    """What fine-tuning ended with."""

    logits: npt.NDArray[Any]
    """(n, num_classes) of the test clips, mean over streams, at the reported epoch."""
    epoch: int
    accuracy: float | None
    """On the held-out clips; None where nothing was chosen."""
    by_epoch: npt.NDArray[np.int64] | None
    """(E, n) classes predicted after each epoch, where a report asks for them."""
    facts: dict[str, Any]
    """What the record should say of the network: layers of the layer decay, whether branches were dropped, and
    whether head and loss are its own."""


def fine_tune(
    config: FineTuneConfig,
    encoders: Mapping[str, Encoder],
    clips: ClipSet,
    held: ClipSet | None,
    test: ClipSet,
    classes: int,
    run: ProtocolRun,
    *site: str,
) -> Tuned:
    """Train copies of the encoders, each with its own head, on ``clips``; the encoders stay as they are.

    Clips whose label is -1 are shown to those alone that read unlabelled clips. ``site`` tells
    apart the draws of several trainings of one run. The last epoch is reported, or the first of
    the best on ``held``. Raises ``RunError`` where a loss is not finite and ``UsageError`` for
    arithmetic that needs a scaled loss.
    """
    _refuse_half(run)
    streams = [_Stream(config, stream, encoder, clips, classes, run, site) for stream, encoder in encoders.items()]
    best: tuple[float, int, Tensor] | None = None
    logits, shown = torch.empty(0), []
    for epoch in range(1, config.epochs + 1):
        for stream in streams:
            stream.train(epoch)
        last, better = epoch == config.epochs, False
        if held is not None and config.selection is Selection.validation:
            right = _mean_logits(streams, held).argmax(1).cpu() == held.labels.cpu()
            accuracy = float(right.double().mean())
            better = best is None or accuracy > best[0]
        if last or better or config.report is Report.best_test_epoch:
            logits = _mean_logits(streams, test)
            shown.append(logits.argmax(1).to("cpu", torch.int16))
        if better:
            best = accuracy, epoch, logits
        run.reporter.step("fine-tune, epoch", epoch, config.epochs)
    by_epoch = torch.stack(shown).long().numpy() if config.report is Report.best_test_epoch else None
    facts: dict[str, Any] = {"layers": len(streams[0].layers), "drop_path": all(stream.drops for stream in streams)}
    if any(stream.encoder.classifies for stream in streams):
        facts["head"] = "its own"
    if any(stream.network.reads_unlabelled for stream in streams):
        facts["unlabelled_clips"] = int((clips.labels < 0).sum())
    if best is None:
        return Tuned(logits.cpu().numpy(), config.epochs, None, by_epoch, facts)
    return Tuned(best[2].cpu().numpy(), best[1], best[0], by_epoch, facts)


def starting_point(config: FineTuneConfig, encoders: Mapping[str, Encoder], run: ProtocolRun) -> Mapping[str, Encoder]:
    """The encoders to train: those given, or new ones where ``protocol.start=scratch`` asks for them."""
    if config.start is Start.pretrained:
        return encoders
    if run.fresh is None:
        raise UsageError(
            "protocol.start=scratch builds a new network, and how this encoder was built is not known;"
            " take a checkpoint that sslskel wrote"
        )
    return run.fresh()


def layer_groups(
    layers: Sequence[Sequence[nn.Parameter]],
    head: Sequence[nn.Parameter],
    decay: float,
    weight_decay: float,
    *,
    decay_all: bool = False,
) -> list[dict[str, Any]]:
    """Optimiser groups with ``lr_scale``: ``decay`` to the power of the layers that follow; the head's is 1.

    The last layer (a final norm) shares the head's scale, as released. Weight decay acts on
    tensors of more than one dimension, or on all.
    """
    groups = []
    for at, layer in enumerate([*layers, head]):
        scale = decay ** max(len(layers) - 1 - at, 0)
        for flat in (False, True):
            params = [p for p in layer if (p.ndim <= 1) is flat]
            if params:
                decayed = weight_decay if decay_all or not flat else 0.0
                groups.append({"params": params, "lr_scale": scale, "weight_decay": decayed})
    return groups


def _mean_logits(streams: Sequence[_Stream], clips: ClipSet) -> Tensor:
    return torch.stack([stream.logits(clips) for stream in streams]).mean(0)


def _refuse_half(run: ProtocolRun) -> None:
    kind = run.device.type
    if not torch.amp.is_autocast_available(kind):
        return
    with run.autocast():
        half = torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) is torch.float16
    if half:
        raise UsageError("fine-tuning in fp16 needs a scaled loss, which it does not have; use bf16 or fp32")


class _Stream:
    """One stream's copy of the encoder, its head and its optimiser."""

    def __init__(
        self,
        config: FineTuneConfig,
        name: str,
        encoder: Encoder,
        clips: ClipSet,
        classes: int,
        run: ProtocolRun,
        site: Sequence[str],
    ) -> None:
        self.config, self.name, self.clips, self.of_run, self._site = config, name, clips, run, site
        self.encoder = copy.deepcopy(encoder).requires_grad_(True).eval()
        self.drops = self.encoder.set_drop_path(config.drop_path)
        self.network = self._network(classes)
        self.layers = self._all_layers()
        self.optimiser = self._optimiser(run.device.type in FUSED)
        self.schedule = TrainConfig(
            epochs=config.epochs,
            lr=config.lr,
            min_lr=config.min_lr,
            warmup_epochs=config.warmup_epochs,
            schedule=config.schedule,
            milestones=config.milestones,
            decay=config.decay,
        )

    def _optimiser(self, fused: bool) -> torch.optim.Optimizer:
        config, head = self.config, self.network.head
        groups = layer_groups(self.layers, head, config.layer_decay, config.weight_decay, decay_all=config.decay_all)
        if config.optimiser is Optimiser.sgd:
            return SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=config.nesterov, fused=fused)
        kind = AdamW if config.optimiser is Optimiser.adamw else Adam
        return kind(groups, lr=config.lr, betas=(config.beta1, config.beta2), fused=fused)

    def _network(self, classes: int) -> Trainable:
        config, run = self.config, self.of_run
        if self.encoder.classifies:
            seed = stable_id("finetune", str(run.seed), *self._site, self.name, "classifier")
            return WithOwn(self.name, self.encoder, classes, seed, run)
        if config.head is Head.linear:
            std = initial_deviation(HeadStart.xavier, 0.0, self.encoder.dim, classes)
            layer = LinearHead(self.encoder.dim, classes, self._noise(0), feature_dtype(run), norm=False, std=std)
            dropped = config.feature_dropout
            return WithHead(self.encoder, layer.to(run.device), config.label_smoothing, run, dropped)
        with torch.no_grad():
            # A clip of the training part tells V' and D; no option says them.
            one = self.clips.subset(torch.zeros(1, dtype=torch.int64))
            first = next(one.batches(self._view("test"), self._noise(0), 1))
            joints, dim = self.encoder.tokens(first).shape[-2:]
        dtype = feature_dtype(run)
        head = FineTuneHead(joints, dim, config.hidden, classes, config.dropout, self._noise(0), dtype)
        return WithHead(self.encoder, head.to(run.device), config.label_smoothing, run)

    def train(self, epoch: int) -> None:
        """One epoch, counted from 1, over every clip in a new order."""
        config = self.config
        known = (self.clips.labels >= 0).nonzero()[:, 0]
        order = self._noise(epoch, "order").permutation("order", len(known), per="batch")
        parts = mini_batches(known[order.cpu()], config.batch_size)
        if self.network.reads_unlabelled:
            self.network.start_epoch(self.clips.batches(self._view("test"), self._noise(0), config.encode_batch))
            parts = self._with_unlabelled(parts, epoch)
        self.network.train()
        total = torch.zeros((), dtype=torch.float64, device=self.of_run.device)
        for at, batch in enumerate(self._batches(parts, epoch)):
            set_rate(self.optimiser, learning_rate(self.schedule, epoch - 1 + at / len(parts)))
            loss = self.network.loss(batch, self._noise((epoch - 1) * len(parts) + at, "step"))
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            if config.clip_norm > 0:
                encoder, head = list(self.encoder.parameters()), self.network.head
                for part in [encoder + head] if config.clip_together else [encoder, head]:
                    nn.utils.clip_grad_norm_(part, config.clip_norm)
            self.optimiser.step()
            total += loss.detach()
        if not torch.isfinite(total):
            raise Diverged(f"fine-tuning stream '{self.name}' diverged in epoch {epoch}; lower protocol.lr")

    @torch.no_grad()
    def logits(self, clips: ClipSet) -> Tensor:
        """(n, num_classes) of all clips in their test view, or logarithms of mean probabilities over several views."""
        self.network.train(False)
        more = self.encoder.spec.more_test_views
        seen = [self._logits_of(clips, view) for view in (self._view("test"), *more)]
        return torch.stack([one.log_softmax(1) for one in seen]).logsumexp(0) - math.log(len(seen)) if more else seen[0]

    def _logits_of(self, clips: ClipSet, view: ViewSpec) -> Tensor:
        logits, keys = [], []
        for batch in clips.batches(view, self._noise(0), self.config.encode_batch):
            logits.append(self.network.logits(batch))
            keys.append(batch.key.cpu())
        if not torch.equal(torch.cat(keys), clips.keys.cpu()):
            raise RunError(f"a part of {len(clips)} clips did not yield every clip once and in order")
        return torch.cat(logits)

    def _batches(self, parts: Sequence[Tensor], epoch: int) -> Iterator[Batch]:
        """The mini-batches of an epoch. Only the last differs in size, so two passes over subsets make them."""
        view = self._view("train") if self.config.augment else self._view("test")
        for some in (parts[:-1], parts[-1:]):
            if some:
                yield from self.clips.subset(torch.cat(list(some))).batches(
                    view, self._noise(epoch, "view"), len(some[0])
                )

    def _with_unlabelled(self, parts: Sequence[Tensor], epoch: int) -> list[Tensor]:
        """Each mini-batch with as many clips without labels behind it, which are other ones in every epoch."""
        others = (self.clips.labels < 0).nonzero()[:, 0]
        if not len(others):
            return list(parts)
        order = self._noise(epoch, "unlabelled").permutation("order", len(others), per="batch").cpu()
        needed = sum(map(len, parts))
        drawn = torch.split(others[order].repeat(-(-needed // len(others)))[:needed], [len(part) for part in parts])
        return [torch.cat(both) for both in zip(parts, drawn, strict=True)]

    def _view(self, view: str) -> ViewSpec:
        return self.encoder.spec.train_view if view == "train" else self.encoder.spec.test_view

    def _noise(self, number: int, *site: str) -> Noise:
        # All streams see the same crops in the same order; heads and dropout have draws of their own.
        own = () if site in (("view",), ("order",)) else (self.name,)
        return Noise(stable_id("finetune", str(self.of_run.seed), *self._site, *own, *site), number)

    def _all_layers(self) -> list[list[nn.Parameter]]:
        layers = self.encoder.layers()
        named = [id(p) for layer in layers for p in layer]
        if sorted(named) != sorted({id(p) for p in self.encoder.parameters()}):
            raise RunError(
                f"layers() of the {self.name} encoder must name each of its weights once; it names {len(named)},"
                f" and the encoder has {sum(1 for _ in self.encoder.parameters())}"
            )
        return layers
