"""ISC: inter-skeleton contrast between two representations of the same clip."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

from sslskel import (
    BACKBONES,
    Backbone,
    Batch,
    BuildBackbone,
    ClipSpec,
    Encoder,
    MethodCard,
    Noise,
    PretextMethod,
    Progress,
    StepOutput,
    Stream,
    ViewSpec,
    crop_view,
    require,
)
from sslskel.contrastive import (
    CROPPED_CLIP,
    ContrastConfig,
    HeadInit,
    MomentumSteps,
    info_nce,
    mean_term,
    momentum_contrast,
    sgd_recipe,
)


class Contrast(Enum):
    """Whether a query meets keys of the other representation, or (the paper's baseline) of its own."""

    inter = "inter"
    intra = "intra"


@dataclass
class ISCConfig(ContrastConfig):
    """Defaults are those of the released NTU-60 scripts; the graph encoder is ours (see :class:`ISC`)."""

    stream: Stream = Stream.joint
    contrast: Contrast = Contrast.inter
    graph_width: int = 64
    """``width`` of the graph encoder, an ST-GCN."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.graph_width >= 1, f"method.graph_width is {self.graph_width}; it must be at least 1")


@functools.cache
def graph_network() -> type[Backbone]:
    """The network of the second representation; looked up once, since constructors read no files."""
    return BACKBONES.get("st_gcn")


class ISC(MomentumSteps, PretextMethod[ISCConfig]):
    """A clip as a sequence of poses should agree with the same clip as a graph, seen in another view.

    Thoker et al., "Skeleton-Contrastive 3D Action Representation Learning", ACM MM 2021. A
    query of one representation meets key and queue of the other, and the other way round.
    The run's backbone sees the sequence; the graph is seen by an ST-GCN, where the released
    code has an adaptive graph network (A-GCN). Protocols judge the sequence encoder first,
    as published. The released "bidirectional" GRU runs both directions forward in time:
    ``--backbone gru_stepped`` is as released, ``--backbone bigru`` as in the paper.
    """

    Config = ISCConfig
    card = MethodCard(
        paper="Thoker et al., Skeleton-Contrastive 3D Action Representation Learning, ACM MM 2021",
        year=2021,
        family="momentum contrast",
        checked="released code: intra and cross terms, keys, weights of 3 steps",
        departures=(
            "both directions of the GRU run forward (backbone gru_stepped; bigru as in the paper); the graph "
            "encoder here is an ST-GCN in place of A-GCN"
        ),
        protocols=("linear_cmd", "knn"),
    )
    cross_batch = True
    default_backbone = "gru_stepped"
    recipe: ClassVar[Mapping[str, Any]] = {
        "train": sgd_recipe(epochs=451, batch_size=64, lr=0.01, milestone=351),
        "clip": CROPPED_CLIP,
        "backbone": {"input_norm": False},
    }

    def __init__(self, config: ISCConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)

        def build_graph(clip: ClipSpec) -> Backbone:
            network = graph_network()
            return network(network.Config(width=config.graph_width), clip)

        self.sequence = momentum_contrast(config, build_backbone, clip, config.stream, HeadInit.xavier)
        self.graph = momentum_contrast(config, build_graph, clip, config.stream, HeadInit.xavier)

    def views(self) -> tuple[ViewSpec, ...]:
        """Query and key; both representations are computed from the same two."""
        return (crop_view(self.clip),) * 2

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """One InfoNCE term per representation, named for the query."""
        contrasts, queries, keys = self.contrasts(), {}, {}
        for at, (name, contrast) in enumerate(contrasts.items()):
            queries[name] = contrast.query(views[0], noise.view(0).view(at))
            keys[name] = contrast.keys(views[1], noise.view(1).view(at))
        other = {"sequence": "graph", "graph": "sequence"} if self.config.contrast is Contrast.inter else {}
        terms = {}
        for name, query in queries.items():
            partner = other.get(name, name)
            similar = contrasts[partner].similarities(query, keys[partner])
            terms[name] = mean_term(info_nce(similar / self.config.temperature))
        return StepOutput(terms)

    def encoders(self) -> dict[str, Encoder]:
        """The sequence encoder alone, as published numbers have it."""
        return {self.config.stream.value: self.sequence.query.encoder()}
