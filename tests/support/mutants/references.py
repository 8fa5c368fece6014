"""Faults of supervised references."""

from __future__ import annotations

from mutants.kind import Mutant, planted_in

INFOGCN = "tests/backbones/test_infogcn_released.py"

SUPERVISED: tuple[Mutant, ...] = (
    *planted_in(
        "methods",
        "methods/infogcn.py",
        INFOGCN,
        ("counts classes that are absent", "means - self.points[count > 0]", "means - self.points[: len(means)]"),
        ("takes variances for deviations", "(self.config.noise_ratio * log_variance)", "log_variance"),
    ),
    *planted_in(
        "methods",
        "sslskel/backbones/infogcn.py",
        INFOGCN,
        ("sums in another order", ".contiguous().permute(0, 3, 1, 2)", ".permute(0, 3, 1, 2)"),
        ("takes out grandparents always", "outward(clip.layout), config.order)", "outward(clip.layout), 2)"),
    ),
)
