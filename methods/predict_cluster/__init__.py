"""Predict & Cluster: the feature of a clip is what a weak decoder needs to give the clip again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from sslskel import (
    Backbone,
    Batch,
    BuildBackbone,
    ClipSpec,
    DataError,
    Encoder,
    Fidelity,
    MethodCard,
    Noise,
    PooledEncoder,
    PretextMethod,
    Progress,
    StepOutput,
    Term,
    UsageError,
    ViewSpec,
    mean_term,
)
from sslskel.methods.predict_cluster.config import Basis, Flavour, PredictClusterConfig
from sslskel.methods.predict_cluster.decoder import Decoder
from sslskel.methods.predict_cluster.preparation import Preparation
from sslskel.nn.auto_encoder import AutoEncoder
from sslskel.nn.original_gru import OriginalGruCell
from sslskel.transforms.body_axes import EveryFrame, Landmarks


class PreparedEncoder(Encoder):
    """A backbone that sees each clip as :class:`Preparation` makes it: one person, whatever the clip has."""

    def __init__(self, backbone: Backbone, clip: ClipSpec, preparation: Preparation, read_frames: int) -> None:
        super().__init__()
        self.inner = PooledEncoder(backbone, replace(clip, persons=1), "present")
        self.spec = clip.with_views(
            "predict_cluster", lambda view: replace(view, sample=EveryFrame(), frames=read_frames)
        )
        self.dim = backbone.dim
        self.prepared = preparation

    def layers(self) -> list[list[torch.nn.Parameter]]:
        """The backbone's."""
        return self.inner.layers()

    def set_drop_path(self, rate: float) -> bool:
        """The backbone's."""
        return self.inner.set_drop_path(rate)

    def bind(self, batch: Batch, noise: Noise) -> None:
        self.inner.bind(self.prepared(batch), noise)

    def clip(self, batch: Batch) -> Tensor:
        return self.inner.clip(self.prepared(batch))

    def steps(self, batch: Batch) -> Tensor:
        return self.inner.steps(self.prepared(batch))


class CompressedEncoder(Encoder):
    """The codes of an encoder's features."""

    def __init__(self, encoder: Encoder, compressor: AutoEncoder, code: int) -> None:
        super().__init__()
        self.encoder, self.compressor, self.spec, self.dim = encoder, compressor, encoder.spec, code

    def bind(self, batch: Batch, noise: Noise) -> None:
        self.encoder.bind(batch, noise)

    def clip(self, batch: Batch) -> Tensor:
        codes: Tensor = self.compressor.encoder(self.encoder.clip(batch))
        return codes


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
        preparation = Preparation(clip.frames, basis, config.rescale, landmarks)
        self.network = PreparedEncoder(backbone, clip, preparation, config.read_frames)
        self.compressor = AutoEncoder(backbone.dim, config.code_widths, config.code) if config.code else None
        numbers = clip.layout.num_joints * clip.coordinates
        self.decoder = None if config.code else Decoder(config, backbone.dim, numbers)
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
