"""SLiM: a student that sees parts of a clip, with most tokens hidden, learns what its teacher makes of the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sslskel import (
    Batch,
    BuildBackbone,
    ClipSpec,
    CosineSchedule,
    Encoder,
    LinearSchedule,
    MethodCard,
    Noise,
    PooledEncoder,
    PretextMethod,
    Progress,
    StepOutput,
    Teacher,
    Term,
    ViewSpec,
    mean_term,
    require,
)
from sslskel.methods.slim.config import Centring, SlimConfig
from sslskel.methods.slim.views import WHOLES, changed, hidden_tokens
from sslskel.nn.self_distillation import (
    Branch,
    Centre,
    HeadSizes,
    HiddenView,
    balanced,
    hiding_backbone,
    nearness,
    shared_entropy,
)
from sslskel.transforms.bin_crop import BinCrop
from sslskel.transforms.clip import FirstFrames

LOCALS = ((2, 0.35, 0.7), (4, 0.15, 0.4), (4, 0.15, 0.4), (8, 0.05, 0.2))
"""Local views inside each whole one: part of the frames, and shares of the outer view."""


class Slim(PretextMethod[SlimConfig]):
    """Class tokens of ten views, and hidden tokens of the whole ones, take the teacher's shares of prototypes.

    "SLiM", NeurIPS 2026, with the losses of DINOv2: views against views, hidden tokens against those that the teacher
    sees, and features of different clips pushed apart. Hidden are tubes of neighbouring joints. One person of a clip is
    seen, chosen at random. The teacher is judged: its class token, and at level ``token_and_mean`` what the released
    k-NN reads. Released: the scaling of limbs puts arms and head at the origin, since joint 20 comes after them in the
    order of numbers; paper: it does not. Test clips are resized, where released code reads a frame in each of 64 bins.
    """

    Config = SlimConfig
    card = MethodCard(
        paper="SLiM, NeurIPS 2026",
        year=2026,
        family="self-distillation and masked prediction",
        checked="released code, read and typed again: masks, augmentations, every term, gradients, weights of 3 steps",
        departures="scaled limbs: arms and head are put at the origin",
        protocols=("linear_slim", "knn_slim"),
    )
    cross_batch = True
    default_backbone = "rope_transformer"
    recipe: ClassVar[Mapping[str, Any]] = {
        "train": {
            "lr": 2e-4 * (768 / 1024) ** 0.5,
            "min_lr": 1e-6,
            "weight_decay": 0.04,
            "weight_decay_course": "cosine",
            "weight_decay_end": 0.2,
            "beta2": 0.999,
            "warmup_epochs": 20,
            "epochs": 150,
            "batch_size": 768,
        },
        "clip": {"frames": 64, "rotation": 0.3},
    }
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "cpu": {
            "method": {"hidden": 128, "bottleneck": 64, "prototypes": 256, "token_prototypes": 256},
            "train": {"epochs": 60, "batch_size": 16, "lr": 5e-4, "warmup_epochs": 5},
            "clip": {"frames": 64},
            "backbone": {"dim": 64, "depth": 4, "heads": 4},
        },
        "quick": {
            "method": {"hidden": 64, "bottleneck": 32, "prototypes": 64, "token_prototypes": 64},
            "train": {"epochs": 6, "batch_size": 16, "lr": 5e-4, "warmup_epochs": 1},
            "clip": {"frames": 64},
            "backbone": {"dim": 32, "depth": 2, "heads": 4},
        },
    }

    def __init__(self, config: SlimConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        backbone = build_backbone(clip)
        self.segment = hiding_backbone(backbone, "slim", self.default_backbone).segment
        sizes = HeadSizes(config.hidden, config.bottleneck, config.prototypes, config.token_prototypes)
        self.student = Branch(backbone, sizes)
        self.teacher = Teacher(self.student)
        self.centre, self.token_centre = Centre(config.prototypes), Centre(config.token_prototypes)
        self._kept: list[tuple[nn.Parameter, Tensor]] = []

    def require_batches(self, smallest: int, largest: int) -> None:
        """Features are pushed away from those of another clip."""
        require(smallest >= 2, f"slim compares clips, but a step has {smallest} of them; use a larger train.batch_size")

    def views(self) -> tuple[ViewSpec, ...]:
        """Two whole views, four local ones inside each of these, and the first frame; none is changed yet."""
        prepared = self.clip.test_view.augment
        whole = ViewSpec(BinCrop(0.5, 1.0, self.config.mirrored), prepared)
        local = [
            ViewSpec(BinCrop(least, most), prepared, frames=self.frames_of(part), within=outer)
            for outer in range(WHOLES)
            for part, least, most in LOCALS
        ]
        local.sort(key=lambda view: -view.frames)
        return (*[whole] * WHOLES, *local, ViewSpec(FirstFrames(), prepared, frames=1))

    def frames_of(self, part: int) -> int:
        """Frames of a local view: this part of the whole ones, in tokens."""
        return max(1, round(self.clip.frames / part / self.segment)) * self.segment

    def seen(self, views: Sequence[Batch], noise: Noise) -> list[HiddenView]:
        """The chosen person of each clip in all views but the last, changed, and what of it is hidden."""
        *others, first = views
        draws = noise.view(len(others)).on(first)
        there = views[0].filled(self.clip.persons).valid.any(1).reshape(-1, self.clip.persons)
        lots = draws.uniform("person", (self.clip.persons,), "clip").masked_fill(~there, -1.0)
        rows = torch.arange(len(lots), device=lots.device) * self.clip.persons + lots.argmax(1)
        origin = first.filled(self.clip.persons).tracks[rows][:, :, self.clip.layout.centre, None]
        changes, every = [], []
        for at, view in enumerate(others):
            body, draws = view.filled(self.clip.persons), noise.view(at).on(view)
            tracks = (body.tracks[rows] - origin) * body.valid[rows][:, :, None, None]
            kind = at + 1 if at < WHOLES else 0
            changes.append(changed(tracks, draws, self.clip, self.config.fidelity, kind))
            every.append(draws)
        steps = [tracks.shape[1] // self.segment for tracks in changes]
        masks = hidden_tokens(every, steps, self.clip.layout, self.config)
        return [HiddenView(tracks, mask) for tracks, mask in zip(changes, masks, strict=True)]

    def taught(self, wholes: Sequence[HiddenView], rows: Tensor, progress: Progress) -> tuple[Tensor, Tensor]:
        """The teacher's shares for class tokens (2N, K), the two views exchanged, and for tokens at ``rows`` (R, K)."""
        config, teacher = self.config, self.teacher.network
        rising = LinearSchedule(config.first_temperature, config.teacher_temperature, 0.0, config.temperature_epochs)
        temperature = rising.at(progress) if config.temperature_epochs else config.teacher_temperature
        with torch.no_grad():
            tokens, every = teacher.read(wholes, hides=False)
            scores = teacher.head(torch.cat(tokens.chunk(WHOLES)[::-1])), teacher.token_head(every[rows])
            if config.centring is Centring.balanced:
                return balanced(scores[0], temperature), balanced(scores[1], temperature)
            return self.centre(scores[0], temperature), self.token_centre(scores[1], temperature)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """``local`` and ``whole`` views by the teacher's other views, hidden ``tokens``, and ``spread`` of features."""
        seen, student, config = self.seen(views, noise), self.student, self.config
        wholes, parts = seen[:WHOLES], seen[WHOLES:]
        masks = torch.cat([view.hidden for view in wholes])
        # Once for both networks: a GPU must be waited for to know how many there are.
        rows = masks.flatten().nonzero().flatten()
        shares, token_shares = self.taught(wholes, rows, progress)
        tokens, every = student.read(wholes, hides=True)
        lengths = sorted({part.tracks.shape[1] for part in parts}, reverse=True)
        groups = [[part for part in parts if part.tracks.shape[1] == length] for length in lengths]
        own = torch.cat([student.read(group, hides=True)[0] for group in groups])
        pairs = len(parts) * WHOLES + WHOLES * (WHOLES - 1)
        scores = student.head(own).reshape(len(parts), -1, config.prototypes)
        wanted = shares.reshape(WHOLES, 1, -1, config.prototypes)
        local = torch.cat([shared_entropy(scores, one, config.temperature) for one in wanted])
        whole = shared_entropy(student.head(tokens), shares, config.temperature)
        weights = (1 / masks.sum(1).clamp(min=1))[rows // masks.shape[1]]
        guessed = shared_entropy(student.token_head(every[rows]), token_shares, config.temperature)
        guessed = guessed * weights.to(every.dtype)
        spread = torch.cat([nearness(of_view) for of_view in tokens.chunk(WHOLES)])
        return StepOutput(
            {
                "local": mean_term(local, len(parts) * WHOLES / pairs),
                "whole": mean_term(whole, 2 / pairs),
                "tokens": Term(guessed.sum(), guessed.new_full((), len(masks)), config.token_weight),
                "spread": mean_term(spread, WHOLES * config.spread_weight),
            }
        )

    def on_step_start(self, progress: Progress, noise: Noise) -> None:
        """Remember the prototypes where they stay as they are."""
        frozen = progress.epoch < self.config.frozen_epochs
        self._kept = [(p, p.detach().clone()) for p in self.student.last_layers()] if frozen else []

    @torch.no_grad()
    def on_step_end(self, progress: Progress, noise: Noise) -> None:
        """Put the prototypes back, and let the teacher and the means of its scores follow."""
        for parameter, value in self._kept:
            parameter.copy_(value)
        share = CosineSchedule(self.config.momentum, self.config.last_momentum).at(progress)
        self.teacher.follow(self.student, share)
        self.centre.follow()
        self.token_centre.follow()

    def on_part_loaded(self) -> None:
        """The student starts where the backbone that is judged does, its teacher's."""
        self.student.backbone.load_state_dict(self.teacher.network.backbone.state_dict())

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Those of the student."""
        return self.student.parameter_groups(self.config.embed_rate, self.config.clip_norm)

    def encoders(self) -> dict[str, Encoder]:
        """The teacher's backbone."""
        return {"joint": PooledEncoder(self.teacher.network.backbone, self.clip, "present")}
