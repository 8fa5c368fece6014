"""ASSL: few labelled clips, and many without a label that teach by inpainting, neighbours and an adversary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy, log_softmax, normalize, one_hot, softplus

from sslskel import (
    Batch,
    BuildBackbone,
    Classifier,
    ClipSpec,
    Encoder,
    MethodCard,
    Noise,
    PooledEncoder,
    PretextMethod,
    Progress,
    StepOutput,
    Term,
    UsageError,
    require,
)
from sslskel.contrastive import WHOLE_CLIP, require_weight

BLOCK = 2048
"""Clips compared with all others at a time; a matter of memory only."""


@dataclass
class ASSLConfig:
    """No source at hand states a value: all are ours."""

    hidden: float = 0.4
    """Share of a person's joints that are hidden and filled in; ours."""
    decoder_dim: int = 256
    """Units of the decoder that fills them in; ours."""
    inpaint: float = 1.0
    """Weight of the error of what is filled in, beside that of classes, which has 1; ours."""
    neighbours: int = 8
    """Nearest clips in feature space whose classes a clip should share; all of a smaller training part; ours."""
    relate: float = 0.1
    """Weight of the neighbours' term; ours."""
    critic_dim: int = 128
    """Units of the critic that tells labelled from unlabelled clips; ours."""
    align: float = 0.1
    """Weight of deceiving the critic; ours."""

    def __post_init__(self) -> None:
        require(0 < self.hidden < 1, f"method.hidden is {self.hidden}; it must lie between 0 and 1")
        for name in ("decoder_dim", "neighbours", "critic_dim"):
            require(getattr(self, name) >= 1, f"method.{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("inpaint", "relate", "align"):
            require_weight(name, getattr(self, name))


def neighbours_of(features: Tensor, count: int) -> Tensor:
    """Rows of the nearest other clips by cosine: (n, D) -> (n, min(count, n - 1))."""
    unit, near = normalize(features, dim=1), []
    for begin in range(0, len(unit), BLOCK):
        cosine = unit[begin : begin + BLOCK] @ unit.T
        rows = torch.arange(len(cosine), device=unit.device)
        cosine[rows, rows + begin] = -torch.inf
        near.append(cosine.topk(min(count, len(unit) - 1), dim=1).indices)
    return torch.cat(near)


def mean_of(values: Tensor, which: Tensor, scale: float = 1.0) -> Term:
    """The mean of the values (N,) that are marked, 0 where none is."""
    return Term((values * which).sum(), which.sum().clamp(min=1), scale)


class ASSLClassifier(Classifier):
    """The four losses; see :class:`ASSL`."""

    reads_unlabelled = True

    def __init__(self, encoder: Encoder, classes: int, config: ASSLConfig) -> None:
        super().__init__()
        self.encoder, self.config, spec = encoder, config, encoder.spec
        self.head = nn.Linear(encoder.dim, classes)
        numbers = spec.persons * spec.frames * spec.layout.num_joints * spec.coordinates
        self.decoder = nn.Sequential(
            nn.Linear(encoder.dim, config.decoder_dim), nn.ReLU(), nn.Linear(config.decoder_dim, numbers)
        )
        self.critic = nn.Sequential(
            nn.Linear(encoder.dim, config.critic_dim), nn.LeakyReLU(0.2), nn.Linear(config.critic_dim, 1)
        )
        self.near: Tensor | None = None
        self.guess: Tensor | None = None

    def on_epoch_start(self, clips: Iterator[Batch]) -> None:
        """Find every clip's neighbours, and what class each clip is taken for: its own where it has a label."""
        features, guesses = [], []
        for batch in clips:
            feature = self.encoder.clip(batch)
            guess = self.head(feature).softmax(1)
            own = one_hot(batch.label.clamp(min=0), guess.shape[1]).to(guess)
            features.append(feature)
            guesses.append(torch.where((batch.label >= 0)[:, None], own, guess))
        self.near = neighbours_of(torch.cat(features), self.config.neighbours)
        self.guess = torch.cat(guesses)

    def filled(self, batch: Batch, noise: Noise) -> Term:
        """The squared error of hidden joints that are filled in, over frames in which the person is seen."""
        true, spec = batch.tracks * batch.valid[..., None, None], self.encoder.spec
        joints = spec.layout.num_joints
        hidden = noise.permutation("hidden", joints) < max(1, round(self.config.hidden * joints))  # (P, V)
        hidden = hidden[:, None, :, None]
        damaged = batch._replace(tracks=true * ~hidden)
        self.encoder.bind(damaged.unlabelled(), noise.view(1))
        made = self.decoder(self.encoder.clip(damaged)).unflatten(1, (spec.persons, *true.shape[1:]))
        which = (hidden & batch.valid[..., None, None]).expand_as(true)
        errors = (made[batch.owner, batch.slot].to(true) - true).square()
        return mean_of(errors, which, self.config.inpaint)

    def related(self, logits: Tensor, batch: Batch) -> Term:
        """Cross entropy between what the neighbours were taken for, on average, and what the clip is taken for."""
        if self.near is None or self.guess is None:
            raise UsageError("assl compares clips with neighbours, which on_epoch_start finds")
        wanted = self.guess[self.near[batch.position]].mean(1)
        every = torch.ones_like(batch.label, dtype=torch.bool)
        return mean_of(-(wanted * log_softmax(logits, 1)).sum(1), every, self.config.relate)

    def adversarial(self, features: Tensor, labelled: Tensor) -> dict[str, Term]:
        """The critic's own loss on constant features, and the encoder's under a constant critic."""
        verdict = self.critic(features.detach())[:, 0]
        tell = softplus(torch.where(labelled, -verdict, verdict))
        constant = {name: parameter.detach() for name, parameter in self.critic.named_parameters()}
        deceive = softplus(-functional_call(self.critic, constant, (features,))[:, 0])
        every = torch.ones_like(labelled)
        return {"tell": mean_of(tell, every), "align": mean_of(deceive, ~labelled, self.config.align)}

    def forward(self, batch: Batch, noise: Noise) -> StepOutput:
        """``class``, ``inpaint``, ``relate``, ``tell`` and ``align``; those of weight 0 are left out."""
        labelled = batch.label >= 0
        features = self.encoder.clip(batch)
        logits = self.head(features)
        known = cross_entropy(logits, batch.label.clamp(min=0), reduction="none")
        terms = {"class": mean_of(known, labelled), "inpaint": self.filled(batch, noise)}
        if self.config.relate:
            terms["relate"] = self.related(logits, batch)
        if self.config.align:
            terms |= self.adversarial(features, labelled)
        return StepOutput(terms)

    def logits(self, batch: Batch) -> Tensor:
        """(N, num_classes)."""
        logits: Tensor = self.head(self.encoder.clip(batch))
        return logits


class ASSL(PretextMethod[ASSLConfig]):
    """A semi-supervised system: the few labels act while the encoder learns, so that ``semi`` alone judges it.

    Si et al., "Adversarial Self-Supervised Learning for Semi-Supervised 3D Action Recognition",
    ECCV 2020. Written after the description alone: no code was released. ``class``: cross entropy of
    labelled clips. ``inpaint``: joints that are hidden are filled in. ``relate``: a clip should be
    taken for what its neighbours in feature space are; these are looked for before every epoch.
    ``align``: features of unlabelled clips should be taken for such of labelled ones by a critic, which
    learns by ``tell`` in the same step, on features that are constant for it. Not comparable with
    methods that pretrain without labels. The losses' forms and the network are ours.
    """

    Config = ASSLConfig
    card = MethodCard(
        paper=("Si et al., Adversarial Self-Supervised Learning for Semi-Supervised 3D Action Recognition, ECCV 2020"),
        year=2020,
        family="semi-supervised",
        described=True,
    )
    reads_labels = reads_unlabelled = True
    trains = False
    default_backbone = "bigru"
    recipe: ClassVar[Mapping[str, Any]] = {
        "clip": {**WHOLE_CLIP, "frames": 64},
        "backbone": {"hidden": 512, "layers": 1},
    }

    def __init__(self, config: ASSLConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.backbone = build_backbone(clip)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """Refused: there is nothing to pretrain."""
        raise UsageError("assl learns under semi protocols alone; there is nothing to pretrain")

    def encoders(self) -> dict[str, Encoder]:
        """The backbone, with the classifier that protocols train."""
        own = partial(ASSLClassifier, config=self.config)
        return {"joint": PooledEncoder(self.backbone, self.clip, "present", classifier=own)}
