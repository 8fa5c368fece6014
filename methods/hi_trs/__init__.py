"""Hi-TRS: hidden joints, reordered frames, reordered windows, and the window that comes next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel import (
    Batch,
    BuildBackbone,
    ClipSpec,
    EmptyBodies,
    Encoder,
    MethodCard,
    Noise,
    PooledEncoder,
    PretextMethod,
    Progress,
    StepOutput,
    Stream,
    Term,
    UsageError,
    ViewSpec,
    gather_rows,
    own_rows,
    require,
    row_counts,
)
from sslskel.methods.hi_trs.tasks import Tasks, make_tasks, windows_of
from sslskel.nn.windows import WindowBackbone
from sslskel.transforms.augment import FillPersons
from sslskel.transforms.clip import BoneStream, FirstFrames, PastMotion, WholeClip
from sslskel.transforms.place_and_time import PlaceAndTime


@dataclass
class HiTRSConfig:
    """Defaults are those of the released code."""

    mask_ratio: float = 0.15
    """Share of joints and frames that are predicted."""
    scale: float = 10.0
    """Coordinates are multiplied by it before errors are measured: it says where errors stop to count squared."""
    temperature: float = 0.07
    """Similarities between what is predicted and what is there are divided by it."""
    augment: float = 0.5
    """Chance that a sequence is changed."""
    stream: Stream = Stream.joint
    empty_bodies: EmptyBodies = EmptyBodies.reference
    """Whether a missing person counts in the feature of a clip; pretraining has the persons who are there."""

    def __post_init__(self) -> None:
        require(0 < self.mask_ratio <= 1, f"method.mask_ratio is {self.mask_ratio}; it must be in (0, 1]")
        for name in ("scale", "temperature"):
            value = getattr(self, name)
            require(0 < value < float("inf"), f"method.{name} is {value}; it must be a positive number")
        require(0 <= self.augment <= 1, f"method.augment is {self.augment}; it must be in [0, 1]")


class HiTRS(PretextMethod[HiTRSConfig]):
    """Three networks, each over what the one before gives, learn by a task of their own and by those above.

    Chen et al., "Hierarchically Self-Supervised Transformer for Human Skeleton Representation Learning", ECCV 2022.
    Every person is a sequence; all tasks read one masked copy of it. A step has ``train.batch_size`` clips, where the
    released one has as many persons. Negatives of the next window are those of the same part of a step
    (``train.accumulate``), as released, or with ``train.accumulate=1`` of the whole step.
    """

    Config = HiTRSConfig
    card = MethodCard(
        paper=(
            "Chen et al., Hierarchically Self-Supervised Transformer for Human Skeleton Representation Learning, ECCV"
            " 2022"
        ),
        year=2022,
        family="masked prediction, order and contrast",
        checked="released code: augmentations, tasks, windows, every term, gradients, weights of 4 steps, features",
    )
    cross_batch = negatives_per_part = True
    default_backbone = "hierarchical"
    recipe: ClassVar[Mapping[str, Any]] = {
        "train": {
            "optimiser": "adamw",
            "lr": 4e-4,
            "min_lr": 2e-6,
            "weight_decay": 0.01,
            "beta2": 0.999,
            "clip_norm": 1.0,
            # Of 50,000 steps on the 40,091 clips of NTU RGB+D 60, 1,000 warm up and 30,000 are taken.
            "epochs": 320,
            "stop_after": 192,
            "warmup_epochs": 6.4,
            "schedule": "linear",
            "batch_size": 256,
            "accumulate": 4,
        },
        "clip": {"frames": 300, "rotation": 0.0},
        "backbone": {"dropout": 0.2},
    }
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        name: {
            "clip": {"frames": 60},
            "train": {
                "epochs": epochs,
                "stop_after": 0,
                "batch_size": 16,
                "accumulate": 1,
                "lr": 1e-3,
                "min_lr": 0.0,
                "warmup_epochs": 2,
            },
        }
        for name, epochs in (("cpu", 60), ("quick", 20))
    }

    def __init__(self, config: HiTRSConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        clip.require_3d("hi_trs")
        streams = {Stream.bone: (BoneStream(),), Stream.motion: (PastMotion(),)}
        stream = streams.get(config.stream, ())
        train = ViewSpec(FirstFrames(), (*clip.train_view.augment, WholeClip(), PlaceAndTime(config.augment), *stream))

        def whole(view: ViewSpec) -> ViewSpec:
            return _counted(ViewSpec(FirstFrames(), (*view.augment, WholeClip(), *stream)), config)

        clip = clip.with_views("hi_trs", whole, train=_counted(train, config))
        super().__init__(config, build_backbone, clip)
        self.pretext_view = train
        self.encoder = PooledEncoder(build_backbone(clip), clip, "present")
        if not isinstance(self.encoder.backbone, WindowBackbone):
            raise UsageError(
                f"hi_trs compares windows, which backbone {type(self.encoder.backbone).__name__} does not have; use"
                " --backbone hierarchical"
            )
        windows = int(self.encoder.backbone.cut.count(torch.tensor(clip.frames)))
        require(
            windows >= 3,
            f"hi_trs orders windows and foretells the last, but clip.frames={clip.frames} has {windows} of them; use"
            " more frames or a smaller backbone.stride",
        )
        frame, window, sequence = self.encoder.backbone.widths
        self.pose = nn.Linear(frame, clip.coordinates)
        self.frame_order, self.window_order = nn.Linear(window, 2), nn.Linear(sequence, 2)
        self.next_window = nn.Linear(sequence, window)

    @property
    def networks(self) -> WindowBackbone:
        """The three networks."""
        backbone = self.encoder.backbone
        assert isinstance(backbone, WindowBackbone)
        return backbone

    def views(self) -> tuple[ViewSpec, ...]:
        """Every person who is there as a sequence, perhaps changed."""
        return (self.pretext_view,)

    def tasks(self, batch: Batch, noise: Noise) -> Tasks:
        """What a step asks of its sequences; ``noise`` is bound to them."""
        return make_tasks(batch.tracks, batch.valid, self.networks.cut, self.config.mask_ratio, noise)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """Error of joints, and cross entropy of both orders and of the next window."""
        noise = noise.view(0).on(views[0])
        tasks, networks = self.tasks(views[0], noise), self.networks
        self.encoder.bind(views[0], noise)
        frames = networks.frame_features(tasks.shown)
        windows = networks.window_features(windows_of(frames, tasks, networks.cut))
        every, pair, last = windows[:, :-3], windows[:, -3:-1], windows[:, -1]
        hidden = torch.arange(every.shape[1], device=every.device) >= tasks.windows[:, None]
        rows = torch.arange(len(every), device=every.device)[:, None]
        orders = torch.stack([every, every[rows, tasks.order]], 1)
        sequences = networks.sequence_features(orders, hidden)[:, :, -1]
        ordered = tasks.windows >= 2
        return StepOutput(
            {
                "joints": self._joints(frames, tasks),
                "frame_order": _order(self.frame_order(pair), tasks.moves),
                "window_order": _order(self.window_order(sequences), ordered),
                "next_window": self._next(self.next_window(sequences[:, 0]), last, tasks.windows >= 1),
            }
        )

    def _joints(self, frames: Tensor, tasks: Tasks) -> Term:
        """The error of hidden joints in all coordinates; linear from 1 / scale on."""
        scale, asked = self.config.scale, tasks.asked[..., None]
        errors = functional.smooth_l1_loss(self.pose(frames) * scale, tasks.wanted * scale, reduction="none")
        return _mean_over(errors, asked.expand_as(errors))

    def _next(self, predicted: Tensor, last: Tensor, known: Tensor) -> Term:
        """Which of all last windows (R, D2) belongs to each sequence's prediction (P, D2)."""
        counts = row_counts(len(last), last.device)
        keys = gather_rows(functional.normalize(last.detach(), dim=1), counts)
        own = own_rows(torch.arange(len(keys), device=keys.device), len(last), counts)
        similar = functional.normalize(predicted, dim=1) @ keys.T / self.config.temperature
        losses = functional.cross_entropy(similar, own, reduction="none")
        return _mean_over(losses, known)

    def encoders(self) -> dict[str, Encoder]:
        """The token of the third network, averaged over persons."""
        return {self.config.stream.value: self.encoder}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Weights of layers decay; biases, norms, positions and tokens do not, as released."""
        kinds: tuple[list[nn.Parameter], list[nn.Parameter]] = ([], [])
        for name, parameter in self.named_parameters():
            kinds[parameter.ndim <= 1 or name.endswith(("_table", "_token"))].append(parameter)
        return [{"params": kinds[0]}, {"params": kinds[1], "weight_decay": 0.0}]


def _counted(view: ViewSpec, config: HiTRSConfig) -> ViewSpec:
    """The view of protocols: missing persons are sequences of zeros where they count."""
    fill = config.empty_bodies is EmptyBodies.reference
    return replace(view, augment=(FillPersons(), *view.augment)) if fill else view


def _order(logits: Tensor, counted: Tensor) -> Term:
    """Cross entropy of pairs (P, 2, 2), of which the first is as it was and the second is not, over (P,) some."""
    right = torch.arange(1, -1, -1, device=logits.device).expand(len(logits), -1)
    losses = functional.cross_entropy(logits.flatten(0, 1), right.flatten(), reduction="none")
    return _mean_over(losses.reshape(-1, 2), counted[:, None].expand(-1, 2))


def _mean_over(losses: Tensor, counted: Tensor) -> Term:
    """The mean of those that count; of none it is 0, as where no clip of a step moves."""
    return Term((losses * counted).sum(), counted.sum().to(losses.dtype).clamp(min=1e-30))
