"""From a batch to embeddings: backbone, mean over persons, projector, mostly unit length."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from sslskel.api.backbone import Backbone, Features
from sslskel.api.batch import Batch
from sslskel.api.encoder import PooledEncoder, unchanged
from sslskel.api.noise import Noise
from sslskel.api.skeleton import SkeletonLayout
from sslskel.api.view import ClipSpec
from sslskel.config.groups import EmptyBodies, Stream
from sslskel.errors import UsageError
from sslskel.transforms.clip import bone, motion

Prepare = Callable[[Tensor], Tensor]


def joined_bones(tracks: Tensor, layout: SkeletonLayout) -> Tensor:
    """(..., k*V, C) joints of k persons side by side -> bones, person by person."""
    persons = tracks.reshape(*tracks.shape[:-2], -1, layout.num_joints, tracks.shape[-1])
    return bone(persons, layout).flatten(-3, -2)


def stream_input(stream: Stream, clip: ClipSpec) -> Prepare:
    """What turns joints into a stream, for one person's rows (..., V, C) or joined ones (..., M*V, C).

    Raises ``UsageError`` where the layout has no bones.
    """
    if stream is Stream.bone:
        if all(parent < 0 for parent in clip.layout.parents):
            raise UsageError(
                f"stream 'bone' needs bones, but no joint of layout '{clip.layout.name}' has a parent; give the layout"
                " parents or leave the stream out"
            )
        return partial(joined_bones, layout=clip.layout)
    return motion if stream is Stream.motion else unchanged


def mean_over_persons(rows: Tensor, batch: Batch) -> Tensor:
    """Mean of rows (P, ...) over the persons of each clip: (N, ...)."""
    persons = batch.present().clamp(min=1).to(rows.dtype)
    total = rows.new_zeros(batch.num_clips, *rows.shape[1:]).index_add(0, batch.owner, rows)
    return total / persons.reshape(-1, *[1] * (rows.ndim - 1))


def in_slots(rows: Tensor, batch: Batch, persons: int) -> Tensor:
    """Rows (P, ...) of the persons of a batch -> (N, M, ...), zeros for missing persons."""
    out = rows.new_zeros(batch.num_clips * persons, *rows.shape[1:])
    out = out.index_copy(0, batch.owner * persons + batch.slot, rows)
    return out.reshape(batch.num_clips, persons, *rows.shape[1:])


class HeadInit(Enum):
    """Weights a projector starts from: those of the ST-GCN methods, N(0, 0.02), or of the GRU methods, Xavier's."""

    normal = "normal"
    xavier = "xavier"


def projector(dim: int, out: int, init: HeadInit) -> nn.Sequential:
    """The two-layer head of MoCo v2: (N, dim) -> (N, out).

    As released, ``normal`` starts both layers and zeroes biases, ``xavier`` the last layer alone.
    """
    first, last = nn.Linear(dim, dim), nn.Linear(dim, out)
    if init is HeadInit.xavier:
        nn.init.xavier_uniform_(last.weight)
    else:
        for layer in (first, last):
            start_normal(layer)
    return nn.Sequential(first, nn.ReLU(), last)


def start_normal(layer: nn.Linear) -> None:
    """N(0, 0.02) weights and zero biases, as the released ST-GCN methods start every layer."""
    nn.init.normal_(layer.weight, 0, 0.02)
    nn.init.zeros_(layer.bias)


class Tower(nn.Module):
    """A backbone and its head, fed one stream; as query it is trained, as key it follows."""

    def __init__(
        self,
        backbone: Backbone,
        head: nn.Module,
        clip: ClipSpec,
        stream: Stream,
        empty_bodies: EmptyBodies,
        *,
        unit_length: bool = True,
    ) -> None:
        super().__init__()
        self.unit_length = unit_length
        self.backbone, self.head = backbone, head
        self.clip, self.empty_bodies = clip, empty_bodies
        self.prepare = stream_input(stream, clip)

    def rows(self, batch: Batch) -> Batch:
        """The batch whose persons are the backbone's rows."""
        filled = self.empty_bodies is EmptyBodies.reference and not self.backbone.reads_validity
        return batch.filled(self.clip.persons) if filled else batch

    def tracks(self, batch: Batch) -> Tensor:
        """What the backbone reads: (P, T, V, C), or (N, T, M*V, C) where it joins persons."""
        return self.prepare(batch.joined(self.clip.persons) if self.backbone.joins_persons else batch.tracks)

    def valid(self, batch: Batch) -> Tensor:
        """Which frames of these tracks are valid: (P, T), or (N, T, M) where it joins persons."""
        return batch.joined_valid(self.clip.persons) if self.backbone.joins_persons else batch.valid

    def maps(self, batch: Batch) -> Tensor:
        """The backbone's maps, (P, T', V', D), for methods that change them; ``UsageError`` where it has a token."""
        features = self.backbone.read(self.tracks(batch), self.valid(batch))
        if features.token is not None:
            raise UsageError(
                f"backbone {type(self.backbone).__name__} answers with a token, but this method needs maps to average"
            )
        return features.grid

    def pooled(self, maps: Tensor | Features, batch: Batch) -> Tensor:
        """One feature per clip from the backbone's maps (P, T', V', D), (N, T', V', D) if it joins persons: (N, D)."""
        rows = self.backbone.summary(Features.of(maps), self.valid(batch))
        return rows if self.backbone.joins_persons else mean_over_persons(rows, batch)

    def embed(self, features: Tensor) -> Tensor:
        """(N, D) -> (N, dim), of length 1 unless it was built without."""
        raw: Tensor = self.head(features)
        return functional.normalize(raw, dim=1) if self.unit_length else raw

    def feature(self, batch: Batch, noise: Noise) -> Tensor:
        """A view of N clips -> (N, D), before the head; ``noise`` is for the backbone's own draws."""
        batch = self.rows(batch)
        self.backbone.bind(noise.on(batch))
        return self.pooled(self.backbone.read(self.tracks(batch), self.valid(batch)), batch)

    def forward(self, batch: Batch, noise: Noise) -> Tensor:
        """A view of N clips -> (N, dim) as of :meth:`embed`; ``noise`` as for :meth:`feature`."""
        return self.embed(self.feature(batch, noise))

    def encoder(self) -> PooledEncoder:
        """What protocols see: the backbone on this stream, averaged over persons as in training."""
        counts_all = self.empty_bodies is EmptyBodies.reference
        return PooledEncoder(self.backbone, self.clip, "reference" if counts_all else "present", self.prepare)
