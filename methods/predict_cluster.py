"""Predict & Cluster: the feature of a clip is what a weak decoder needs to give the clip again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, ClassVar

import torch
from torch import nn

from sslskel import (
    Batch,
    BuildBackbone,
    ClipSpec,
    DataError,
    Encoder,
    Fidelity,
    MethodCard,
    Noise,
    PooledEncoder,
    PreparedEncoder,
    PretextMethod,
    Progress,
    StepOutput,
    Term,
    UsageError,
    ViewSpec,
    mean_term,
    require,
)
from sslskel.nn.auto_encoder import AutoEncoder, CompressedEncoder
from sslskel.nn.original_gru import OriginalGruCell
from sslskel.nn.sequence_decoder import DecoderKind, SequenceDecoder
from sslskel.transforms.body_axes import EveryFrame, Landmarks, OnePerson

READ_OUT = 0.04
"""Largest initial weight of the read-out behind a fixed state (TensorFlow release)."""


class Flavour(Enum):
    """The release that is followed: the paper's, in TensorFlow, or its later port, which is another algorithm."""

    tensorflow = "tensorflow"
    pytorch = "pytorch"


class Basis(Enum):
    """Axes in which a body is seen, fixed by its first frame: across the hips, ahead, up the spine."""

    by_fidelity = "by_fidelity"
    """``mirrored`` as released, ``rotation`` under ``fidelity=paper``."""
    mirrored = "mirrored"
    """Determinant -1: left and right of the room change places."""
    rotation = "rotation"
    none = "none"
    """Coordinates as they are; frames with missing joints stay."""


@dataclass
class PredictClusterConfig:
    """Defaults are those of the released TensorFlow scripts for NTU RGB+D 60."""

    flavour: Flavour = Flavour.tensorflow
    decoder: DecoderKind = DecoderKind.fixed_weights
    fidelity: Fidelity = Fidelity.released
    basis: Basis = Basis.by_fidelity
    rescale: bool = True
    """Each axis of each clip to [-1, 1], by its smallest and largest coordinate."""
    read_frames: int = 300
    """Frames read of a clip before ``clip.frames`` of them are taken; of a longer one every second, third ..."""
    code: int = 0
    """Numbers of a code into which an auto-encoder presses features, with all else frozen; 0 for the features."""
    code_widths: list[int] = field(default_factory=lambda: [1024, 512])
    """Layers of the auto-encoder between feature and code."""

    def __post_init__(self) -> None:
        require(self.read_frames >= 1, f"method.read_frames is {self.read_frames}; it must be at least 1")
        require(self.code >= 0, f"method.code is {self.code}; it must not be negative")
        require(
            all(width >= 1 for width in self.code_widths),
            f"method.code_widths is {self.code_widths}; each must be at least 1",
        )
        require(
            self.decoder is not DecoderKind.teacher_forced or self.flavour is Flavour.pytorch,
            "method.decoder=teacher_forced is of the port alone; add method.flavour=pytorch",
        )


def decoder_of(config: PredictClusterConfig, dim: int, numbers: int) -> SequenceDecoder:
    """From features of ``dim`` to frames of so many ``numbers``, as the release that is followed starts it.

    ``fidelity=paper`` keeps the weights of the GRU of a ``fixed_weights`` decoder, which both releases train.
    """
    ported, fixed_state = config.flavour is Flavour.pytorch, config.decoder is DecoderKind.fixed_state
    cell = nn.GRUCell(numbers, dim) if ported else OriginalGruCell(numbers, dim)
    decoder = SequenceDecoder(cell, dim, numbers, config.decoder, predicts=fixed_state and not ported)
    if ported:
        for weight in (p for p in decoder.parameters() if p.ndim > 1):
            nn.init.xavier_uniform_(weight)
    elif fixed_state:
        nn.init.uniform_(decoder.read_out.weight, -READ_OUT, READ_OUT)
        nn.init.uniform_(decoder.read_out.bias, -READ_OUT, READ_OUT)
    else:
        nn.init.xavier_uniform_(decoder.read_out.weight)
        nn.init.zeros_(decoder.read_out.bias)
    if config.fidelity is Fidelity.paper and config.decoder is DecoderKind.fixed_weights:
        cell.requires_grad_(False)
    return decoder


class PredictCluster(PretextMethod[PredictClusterConfig]):
    """Give a clip again from one feature, with a decoder that can do little on its own.

    Su et al., "Predict & Cluster: Unsupervised Skeleton Based Action Recognition", CVPR 2020; the clusters are what
    nearest neighbours find. Flavour ``tensorflow`` is the paper's release: the GRU as first published, read from both
    ends, and a loss over valid frames. ``pytorch`` is its later port: torch's GRU with both directions forward in time
    (backbone option ``kind=stepped``), a loss over padding too, which here ends with the view and there with the
    longest clip of the batch, and a fixed-state decoder that is compared from the first frame on. Batches are drawn
    without replacement, where the paper's release draws 15,000 with. One person of a clip is seen. With ``code`` an
    auto-encoder of the features is trained and nothing else.
    """

    Config = PredictClusterConfig
    card = MethodCard(
        paper="Su et al., Predict & Cluster: Unsupervised Skeleton Based Action Recognition, CVPR 2020",
        year=2020,
        family="sequence reconstruction",
        checked=(
            "both released versions: clips, losses and weights of 3 steps, gradients, auto-encoder, nearest neighbours"
        ),
        departures=(
            "the decoder of fixed weights is trained in both; the transform mirrors bodies; the port's loss counts"
            " padding and its rate does not fall"
        ),
        protocols=("knn_predict_cluster",),
    )
    default_backbone = "gru_lengths"
    recipe: ClassVar[Mapping[str, Any]] = {
        "train": {
            "optimiser": "adam_tensorflow",
            "weight_decay": 0.0,
            "beta2": 0.999,
            "clip_norm": 25.0,
            "epochs": 102,
            "batch_size": 256,
            "lr": 1e-4,
            "min_lr": 0.0,
            "warmup_epochs": 0,
            "schedule": "step",
            "decay": 0.95,
            # Every 1000 steps of 37,646 clips, in epochs.
            "milestones": [7, 14, 20, 27, 34, 41, 48, 54, 61, 68, 75, 82, 88, 95],
        },
        "clip": {"frames": 50, "rotation": 0.0},
    }
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"clip": {"frames": 32}, "train": {"epochs": 30, "batch_size": 16, "lr": 2e-3, "schedule": "cosine"}},
        "cpu": {"clip": {"frames": 50}, "train": {"epochs": 60, "batch_size": 16, "lr": 1e-3, "schedule": "cosine"}},
    }

    def __init__(self, config: PredictClusterConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        basis = config.basis
        if basis is Basis.by_fidelity:
            basis = Basis.rotation if config.fidelity is Fidelity.paper else Basis.mirrored
        landmarks = None
        if basis is not Basis.none:
            try:
                clip.require_3d("predict_cluster")
                landmarks = Landmarks.of(clip.layout)
            except DataError as fault:
                raise DataError(f"{fault}; set method.basis=none") from fault
        backbone = build_backbone(replace(clip, persons=1))
        if config.flavour is Flavour.pytorch and any(isinstance(part, OriginalGruCell) for part in backbone.modules()):
            raise UsageError(
                "method.flavour=pytorch is the port, whose GRU is torch's: add backbone.kind=stepped, or take method"
                " predict_cluster_pytorch, which has it and the port's rate"
            )
        prepared = OnePerson(clip.frames, landmarks, mirrored=basis is Basis.mirrored, rescale=config.rescale)
        spec = clip.with_views(
            "predict_cluster", lambda view: replace(view, sample=EveryFrame(), frames=config.read_frames)
        )
        self.network = PreparedEncoder(PooledEncoder(backbone, replace(clip, persons=1), "present"), spec, prepared)
        self.compressor = AutoEncoder(backbone.dim, config.code_widths, config.code) if config.code else None
        numbers = clip.layout.num_joints * clip.coordinates
        self.decoder = None if config.code else decoder_of(config, backbone.dim, numbers)
        if config.code:
            self.network.requires_grad_(False)

    def train(self, mode: bool = True) -> PredictCluster:
        """Set the mode of the method; a network that is frozen stays in eval mode."""
        super().train(mode)
        self.network.train(mode and self.compressor is None)
        return self

    def views(self) -> tuple[ViewSpec, ...]:
        """The clip frame by frame; what the network sees is made of it on the device."""
        return (self.network.spec.train_view,)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """One term, ``predict``: absolute differences summed over a frame, over frames by number, mean over clips.

        With ``code`` it is ``compress``, squared differences of features.
        """
        seen = self.network.prepared(views[0])
        if self.compressor is not None:
            with torch.no_grad():
                features = self.network.inner(seen)
            return StepOutput({"compress": mean_term((self.compressor(features) - features).square())})
        assert self.decoder is not None
        features = self.network.inner(seen, noise.view(0))
        frames, valid = seen.joined(1).flatten(2), seen.joined_valid(1)[:, :, 0]
        made, start = self.decoder(features, frames), int(self.decoder.predicts)
        errors, counted = (made - frames[:, start:]).abs().sum(2), valid[:, start:]
        if self.config.flavour is Flavour.tensorflow:
            errors = errors * counted
        clips = errors.sum(1) / counted.sum(1).clamp(min=1)
        return StepOutput({"predict": Term(clips.sum(), clips.new_full((), len(clips)))})

    def encoders(self) -> dict[str, Encoder]:
        """The backbone, or its codes."""
        if self.compressor is None:
            return {"joint": self.network}
        return {"joint": CompressedEncoder(self.network, self.compressor, self.config.code)}
