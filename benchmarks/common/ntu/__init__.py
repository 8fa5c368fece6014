"""NTU RGB+D (Shahroudy et al. 2016) and NTU RGB+D 120 (Liu et al. 2019): what all their benchmarks share.

A benchmark is an edition prepared by a recipe: ``ntu60``, ``ntu60_clean``, ``ntu120_agcn`` ...
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from sslskel import NTU25, Benchmark, DatasetInfo, Split
from sslskel.benchmarks.common.ntu.actors import Recipe
from sslskel.benchmarks.common.ntu.agcn import agcn
from sslskel.benchmarks.common.ntu.classes import CLASSES
from sslskel.benchmarks.common.ntu.clean import clean
from sslskel.benchmarks.common.ntu.ctrgcn import ctrgcn
from sslskel.benchmarks.common.ntu.importing import FILE_LIMIT, NTU60, NTU120, SUFFIX, Edition, plan
from sslskel.data.sources.pieces import PieceImporter, Plan

RECIPES: dict[str, Recipe] = {"ctrgcn": ctrgcn, "clean": clean, "agcn": agcn}
RECORDINGS = "ntu_rgbd"
"""The second edition contains the first, under the same clip names."""
LICENCE = "for academic research by request to the ROSE Lab of NTU Singapore; redistribution is not granted"

_TRAIN60 = frozenset({1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38})
_TRAIN120 = _TRAIN60 | frozenset(
    {45, 46, 47, 49, 50, *range(52, 60), 70, 74, 78, *range(80, 87), 89, *range(91, 96), 97, 98, 100, 103}
)
_HELD60 = frozenset({35, 38})
_HELD120 = _HELD60 | frozenset({97, 98, 100, 103})

SPLITS60 = {
    "xsub": Split("xsub", by="subject", train=_TRAIN60, validation=_HELD60),
    "xview": Split("xview", by="camera", train=frozenset({2, 3}), validation=_HELD60, test=frozenset({1})),
}
"""Cross-subject and cross-view of the paper. Model selection may hold out the last two training subjects."""
SPLITS120 = {
    "xsub": Split("xsub", by="subject", train=_TRAIN120, validation=_HELD120),
    "xset": Split("xset", by="setup", train=frozenset(range(2, 33, 2)), validation=_HELD120),
}
"""Cross-subject and cross-setup of the paper. Model selection may hold out six training subjects."""

_COUNTS60 = {"clips": 56_578, "xsub/train": 40_091, "xsub/test": 16_487, "xview/train": 37_646, "xview/test": 18_932}
_COUNTS120 = {"clips": 113_945, "xsub/train": 63_026, "xsub/test": 50_919, "xset/train": 54_468, "xset/test": 59_477}

_CITATION60 = (
    "A. Shahroudy, J. Liu, T.-T. Ng, G. Wang: NTU RGB+D: A Large Scale Dataset for 3D Human Activity Analysis."
    " CVPR 2016."
)
_CITATION120 = (
    "J. Liu, A. Shahroudy, M. Perez, G. Wang, L.-Y. Duan, A. C. Kot: NTU RGB+D 120: A Large-Scale Benchmark for 3D"
    " Human Activity Understanding. IEEE TPAMI 42(10), 2020."
)


def ntu60(recipe: str, name: str) -> Benchmark:
    """NTU RGB+D, 60 actions, prepared by a recipe of ``RECIPES``."""
    title = "NTU RGB+D, 60 actions"
    return _benchmark(name, title, _info("ntu60", NTU60, recipe), partial(plan, NTU60, RECIPES[recipe], False))


def ntu120(recipe: str, name: str, copied: bool = False) -> Benchmark:
    """NTU RGB+D 120, prepared by a recipe of ``RECIPES``; ``copied`` gives clips of one person a second, equal one."""
    info = _info("ntu120", NTU120, f"{recipe}-copied" if copied else recipe)
    title = "NTU RGB+D 120, 120 actions"
    return _benchmark(name, title, info, partial(plan, NTU120, RECIPES[recipe], copied))


def _benchmark(name: str, title: str, info: DatasetInfo, pieces: Plan) -> Benchmark:
    first = info.name == "ntu60"
    return Benchmark(
        name=name,
        version=1,
        title=f"{title} (Kinect v2 skeletons, recipe {info.recipe})",
        info=info,
        read=PieceImporter((SUFFIX,), pieces, FILE_LIMIT, partial=True),
        splits=SPLITS60 if first else SPLITS120,
        default_split="xsub",
        citation=_CITATION60 if first else _CITATION120,
        licence=LICENCE,
        expected=_COUNTS60 if first else _COUNTS120,
        recordings=RECORDINGS,
        published=Path(__file__).with_name("published_60.csv" if first else "published_120.csv"),
    )


def _info(name: str, edition: Edition, recipe: str) -> DatasetInfo:
    classes = CLASSES[: edition.classes]
    return DatasetInfo(name, 1, NTU25, classes, 30.0, persons=2, recipe=recipe, licence=LICENCE)
