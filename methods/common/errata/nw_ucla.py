"""Northwestern-UCLA: test clips that are training clips."""

from __future__ import annotations

import torch

from sslskel import BENCHMARKS, Errata, Erratum, Shown
from sslskel.methods.common.errata import CHECKED


def copies() -> Shown:
    """Nearest neighbours among features that say nothing, with 95 of 464 test clips copied from the training part."""
    random = torch.Generator().manual_seed(0)
    gallery, queries = torch.randn(1020, 32, generator=random), torch.randn(464, 32, generator=random)
    labels, wanted = (torch.randint(10, (count,), generator=random) for count in (1020, 464))
    queries[:95], wanted[:95] = gallery[:95], labels[:95]
    right = labels[torch.cdist(queries, gallery).argmin(1)] == wanted
    return {
        "accuracy on all 464 test clips (%)": 100 * float(right.float().mean()),
        "accuracy on the 369 that are no copies (%)": 100 * float(right[95:].float().mean()),
        "splits of the benchmark here": ", ".join(BENCHMARKS.get("nw_ucla").splits),
    }


ERRATA = Errata(
    title="Northwestern-UCLA (Wang et al., CVPR 2014)",
    code="",
    dated=CHECKED,
    entries=(
        Erratum(
            "copies",
            "95 of the 464 usual test clips are training clips, number for number.",
            "The distributed files: each of actions 2 and 3 in view 3 equals that of the same take in view 2"
            " (docs/guide/datasets.md).",
            "Yes: all accuracies on the usual list are too high, by 18 points where features say nothing.",
            "`nw_ucla` tests on the 369 others (`xview_clean`); `nw_ucla/xview` is the usual list, with a warning.",
            copies,
        ),
    ),
)
