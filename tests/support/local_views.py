"""A method whose local views lie inside its global ones, and whose masks are spread over the clips of a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from sound_method import Config
from torch import Tensor, nn
from toy_backbones import Sizes

from sslskel import (
    Backbone,
    Batch,
    BuildBackbone,
    ClipSpec,
    Encoder,
    Noise,
    PooledEncoder,
    PretextMethod,
    StepOutput,
    Term,
    ViewSpec,
)
from sslskel.transforms.clip import RandomCrop

LOCAL_FRAMES = (12, 6, 3)
"""T of the local views; the last of them lies inside the first."""


class AnyLength(Backbone[Sizes]):
    """Each joint of each frame by itself, in clips of any length."""

    Config = Sizes
    keeps_joints = True

    def __init__(self, config: Any, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        self.dim = config.dim
        self.layer = nn.Linear(clip.coordinates, config.dim)

    def forward(self, tracks: Tensor) -> Tensor:
        return self.layer(tracks).tanh()


class LocalViews(PretextMethod[Config]):
    """Local views predict the feature of the global view around them, in which half of the clips lose joints."""

    Config = Config
    uses_backbone = False

    def __init__(self, config: Config, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.backbone = AnyLength(Sizes(), clip)
        self.predict = nn.Linear(self.backbone.dim, self.backbone.dim)

    def views(self) -> tuple[ViewSpec, ...]:
        turned = self.clip.train_view.augment
        first, second, inmost = LOCAL_FRAMES
        return (
            ViewSpec(RandomCrop(0.5, 1.0, 16), turned),
            ViewSpec(RandomCrop(0.35, 0.7, 4), turned, first, within=0),
            ViewSpec(RandomCrop(0.15, 0.4, 4), turned, second, within=0),
            ViewSpec(RandomCrop(0.5, 0.9, 2), turned, inmost, within=1),
        )

    def hidden(self, whole: Batch, noise: Noise) -> Tensor:
        """(P, V): joints that a global view loses, 50 to 90 % of them in half of the clips."""
        draws = noise.view(0).on(whole)
        ratio = 0.5 + 0.4 * draws.stratified("ratio", dtype=whole.tracks.dtype)
        ratio = torch.where(draws.stratified("masked") < 0.5, ratio, 0.0)
        return draws.uniform("joints", (whole.tracks.shape[2],)) < ratio[whole.owner][:, None]

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Any) -> StepOutput:
        whole, errors = views[0], []
        seen = (~self.hidden(whole, noise)).to(whole.tracks.dtype)[..., None]
        rows = self.backbone(whole.tracks).mean(1)
        target = (rows * seen).sum(1) / seen.sum(1).clamp(min=1)
        for local in views[1:]:
            # Somebody who comes late is in the global view alone.
            same = (local.owner[:, None] == whole.owner) & (local.slot[:, None] == whole.slot)
            guess = self.predict(self.backbone(local.tracks).mean((1, 2)))
            errors.append((guess - target[same.to(torch.int64).argmax(1)]).square().mean(1))
        every = torch.cat(errors)
        return StepOutput({"local": Term(every.sum(), every.new_tensor(float(len(every))))})

    def encoders(self) -> dict[str, Encoder]:
        return {"joint": PooledEncoder(self.backbone, self.clip)}
