"""Three terms in one loss: motion prediction, jigsaw and contrast, after MS2L (Lin et al., ACM MM 2020)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from sslskel import (
    Batch,
    BuildBackbone,
    ClipSpec,
    Encoder,
    Noise,
    PooledEncoder,
    PretextMethod,
    Progress,
    StepOutput,
    Term,
    ViewSpec,
    gather_rows,
    mean_term,
    own_rows,
    require,
)


@dataclass
class MultiTaskConfig:
    weight: float = 0.1
    """Of the jigsaw and of contrast; prediction has 1."""

    def __post_init__(self) -> None:
        require(0 < self.weight < 1e6, f"method.weight is {self.weight}; it must be positive")


class MultiTask(PretextMethod[MultiTaskConfig]):
    Config = MultiTaskConfig
    cross_batch = negatives_per_part = True
    orders: Tensor  # (6, T)

    def __init__(self, config: MultiTaskConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.encoder = PooledEncoder(build_backbone(clip), clip, "present")
        dim, self.begin = self.encoder.dim, clip.frames // 2
        orders = torch.stack([torch.cat(order) for order in permutations(torch.arange(clip.frames).tensor_split(3))])
        self.register_buffer("orders", orders, persistent=False)
        numbers = clip.persons * clip.layout.num_joints * clip.coordinates
        self.future, self.order = nn.Linear(dim, (clip.frames - self.begin) * numbers), nn.Linear(dim, len(orders))

    def views(self) -> tuple[ViewSpec, ...]:
        return (self.clip.train_view,) * 2

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        (past, mixed), persons = views, self.clip.persons
        wanted, valid = past.joined(persons)[:, self.begin :], past.joined_valid(persons)[:, self.begin :]
        shown = past.valid & (torch.arange(self.clip.frames, device=past.valid.device) < self.begin)  # (P, T)
        past = past._replace(tracks=past.tracks * shown[..., None, None], valid=shown)
        order = noise.view(1).on(mixed).integers("order", len(self.orders), per="clip")  # (N,)
        frames = self.orders[order[mixed.owner]]  # (P, T)
        tracks = mixed.tracks.take_along_dim(frames[..., None, None], 1)
        mixed = mixed._replace(tracks=tracks, valid=mixed.valid.gather(1, frames))
        first, second = self.encoder(past, noise.view(0)), self.encoder(mixed, noise.view(1))  # (N, D)
        error = (self.future(first).view_as(wanted) - wanted).square().unflatten(2, (persons, -1)).mean((3, 4))
        jigsaw = mean_term(cross_entropy(self.order(second), order, reduction="none"), self.config.weight)
        keys = gather_rows(normalize(second, dim=1))
        own = own_rows(torch.arange(len(keys), device=keys.device), len(second))
        loss = cross_entropy(normalize(first, dim=1) @ keys.T / 0.1, own, reduction="none")
        motion = Term((error * valid).sum(), valid.sum())
        return StepOutput({"motion": motion, "jigsaw": jigsaw, "contrast": mean_term(loss, self.config.weight)})

    def encoders(self) -> dict[str, Encoder]:
        return {"joint": self.encoder}
