"""ST-GCN: the parts of its spatial partition, in the releases of AimCLR, CrosSCLR and PSTL."""

from __future__ import annotations

from sslskel import NTU25, Errata, Erratum, Fidelity, Shown
from sslskel.methods.common.errata import CHECKED, apart, bodies, kinect, seeded
from sslskel.nn.graph import Partition, partitioned


def partition() -> Shown:
    """Edges in each of the three matrices, and features with either."""
    shown: dict[str, float] = {}
    features = []
    for fidelity in Fidelity:
        graph = partitioned(NTU25, Partition.spatial, fidelity, "errata")
        for name, part in zip(("the joint itself", "second", "third"), graph, strict=True):
            shown[f"entries of the matrix, {name}, backbone.fidelity={fidelity.value}"] = float((part != 0).sum())
        backbone = seeded("st_gcn", kinect(), width=4, dim=16, fidelity=fidelity.value)
        features.append(backbone(bodies().tracks))
    shown["largest change of a feature between them"] = apart(*features)
    return shown


ERRATA = Errata(
    title="ST-GCN in skeleton contrast (Yan et al., AAAI 2018)",
    code="",
    dated=CHECKED,
    entries=(
        Erratum(
            "partition",
            "The spatial partition does not separate closer from farther neighbours: distances are counted up to one"
            " bone, so that all bones beyond the centre's neighbours are in one matrix, in both directions.",
            "Paper, section 3.3; graphs in the releases of AimCLR, CrosSCLR and PSTL, as recorded for the tests.",
            "Yes: another network. The effect on accuracy was not measured.",
            "As released; `backbone.fidelity=paper` counts along all bones.",
            partition,
        ),
    ),
)
