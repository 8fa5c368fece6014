"""Faults of supervised references."""

from __future__ import annotations

from mutants.kind import Mutant, planted_in

HEAT_MAPS = "tests/nn/test_heat_maps.py"
INFOGCN = "tests/backbones/test_infogcn_released.py"
POSEC3D = "tests/backbones/test_posec3d_released.py"
RECIPES = "tests/evaluation/test_supervised_recipes.py"
SEGMENTS = "tests/transforms/test_segment_samplers.py"

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
    *planted_in(
        "methods",
        "sslskel/nn/heat_maps.py",
        POSEC3D,
        ("adds persons up", "out = torch.maximum(out, _spots(", "out = torch.add(out, _spots("),
        ("forgets that a spot is cut off", " * _reached(points, points, size, sigma)", ""),
        (
            "moves the missing too",
            "torch.where(there, points - first[:, None, None, None], points)",
            "points - first[:, None, None, None]",
        ),
    ),
    *planted_in(
        "methods",
        "sslskel/nn/heat_maps.py",
        HEAT_MAPS,
        (
            "takes widths for heights",
            "torch.stack([(area * aspect).sqrt(), (area / aspect).sqrt()])",
            "torch.stack([(area / aspect).sqrt(), (area * aspect).sqrt()])",
        ),
        ("draws short limbs as long ones", "< 1).to(points.dtype)", "< 0).to(points.dtype)"),
        ("lets boxes stick out", "fits = (sides <= size).all(0)", "fits = (sides <= 2 * size).all(0)"),
    ),
    *planted_in(
        "methods",
        "sslskel/backbones/posec3d.py",
        POSEC3D,
        ("halves time in the second stage", "2 if stage == 2 else 1", "2 if stage == 1 else 1"),
        ("sees one frame in all stages", "3 if stage else 1", "1"),
    ),
    *planted_in(
        "views",
        "sslskel/transforms/segments.py",
        SEGMENTS,
        ("leaves no frame out", "(places < length - frames)", "(places < 0)"),
        ("starts short clips at their first frame", "short = (start + at)", "short = (0 * start + at)"),
    ),
    *planted_in(
        "protocols",
        "sslskel/evaluation/finetune_training.py",
        RECIPES,
        ("forgets Nesterov", "momentum=config.momentum, nesterov=config.nesterov", "momentum=config.momentum"),
        (
            "decays weights of layers alone",
            "decayed = weight_decay if decay_all or not flat else 0.0",
            "decayed = 0.0 if flat else weight_decay",
        ),
    ),
    *planted_in(
        "protocols",
        "sslskel/evaluation/finetune_networks.py",
        RECIPES,
        ("drops numbers without making up for it", ".to(feature.dtype) / (1 - self._dropped))", ".to(feature.dtype))"),
    ),
)
