"""CMD, ISC and PCM3: the two directions of their recurrent encoder."""

from __future__ import annotations

from sslskel import Errata, Erratum, Shown
from sslskel.methods.common.errata import CHECKED, apart, bodies, kinect, seeded


def direction() -> Shown:
    """What the first frame's state of the second direction knows of the last frame."""
    tracks = bodies(2, 8, 1).joined(1)
    other = tracks.clone()
    other[:, -1] += 1
    shown = {}
    for name in ("gru_stepped", "bigru"):
        backbone = seeded(name, kinect(8, 1), hidden=8, layers=1).eval()
        first, second = (backbone(rows)[:, 0, 0, 8:] for rows in (tracks, other))
        shown[f"change of the second direction's state of frame 1 with the last frame, {name}"] = apart(first, second)
    return shown


ERRATA = Errata(
    title="CMD, ISC and PCM3 (Mao et al., ECCV 2022; Thoker et al., ACM MM 2021; Zhang et al., ACM MM 2023)",
    code="",
    dated=CHECKED,
    entries=(
        Erratum(
            "direction",
            "Both directions of the bidirectional GRU read forward in time.",
            "Models of the three releases (PCM3: JHang2020/PCM3@aee2400): the GRU is called with one frame at a time,"
            " its state carried. Predict & Cluster's port does the same.",
            "Yes: another network, whose weights an ordinary bidirectional GRU cannot use: with the recorded weights"
            " features differ by 0.5 to 0.7. The effect on accuracy was not measured.",
            "As released (`--backbone gru_stepped`); `--backbone bigru` reads from both ends.",
            direction,
        ),
    ),
)
