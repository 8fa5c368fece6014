"""PKU-MMD (Liu et al. 2017), both phases: what they share. The benchmarks are ``pku_mmd1`` and ``pku_mmd2``.

Untrimmed recordings of one or two persons, Kinect v2, metres from the camera as recorded. How
the files read is in ``text``, how clips are cut in ``importing``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from sslskel import NTU25, Benchmark, DatasetInfo, Split
from sslskel.benchmarks.common.pku_mmd.importing import FILE_LIMIT, LISTS, SUFFIX, Phase, key, plan
from sslskel.data.sources.pieces import PieceImporter

ACTIONS = (
    "bow",
    "brushing hair",
    "brushing teeth",
    "check time (from watch)",
    "cheer up",
    "clapping",
    "cross hands in front (say stop)",
    "drink water",
    "drop",
    "eat meal/snack",
    "falling",
    "giving something to other person",
    "hand waving",
    "handshaking",
    "hopping (one foot jumping)",
    "hugging other person",
    "jump up",
    "kicking other person",
    "kicking something",
    "make a phone call/answer phone",
    "pat on back of other person",
    "pickup",
    "playing with phone/tablet",
    "point finger at the other person",
    "pointing to something with finger",
    "punching/slapping other person",
    "pushing other person",
    "put on a hat/cap",
    "put something inside pocket",
    "reading",
    "rub two hands together",
    "salute",
    "sitting down",
    "standing up",
    "take off a hat/cap",
    "take off glasses",
    "take off jacket",
    "take out something from pocket",
    "taking a selfie",
    "tear up paper",
    "throw",
    "touch back (backache)",
    "touch chest (stomachache/heart pain)",
    "touch head (headache)",
    "touch neck (neckache)",
    "typing on a keyboard",
    "use a fan (with hand or paper)/feeling warm",
    "wear jacket",
    "wear on glasses",
    "wipe face",
    "writing",
)
"""The release's classes 1 to 51 in order. Phase II has the same numbers and uses 41 of them."""

LICENCE = "for research with citation, on the authors' terms; no right to pass the data on is known"


def phase_benchmark(phase: Phase, title: str, expected: Mapping[str, int]) -> Benchmark:
    """The benchmark of one phase. ``expected`` as in ``Benchmark``."""
    info = DatasetInfo(
        name=f"pku_mmd{phase.number}",
        version=1,
        layout=NTU25,
        classes=ACTIONS,
        fps=30.0,
        persons=2,
        licence=LICENCE,
        lists=tuple(LISTS),
    )
    return Benchmark(
        name=info.name,
        version=1,
        title=title,
        info=info,
        read=PieceImporter((SUFFIX,), partial(plan, phase), FILE_LIMIT, partial=True, key=key),
        splits={
            name: Split(name, by="list", train=frozenset({1}), validation=phase.validation, test=frozenset({0}))
            for name in LISTS
        },
        default_split="xsub",
        citation=(
            "C. Liu, Y. Hu, Y. Li, S. Song, J. Liu: PKU-MMD: A Large Scale Benchmark for Continuous Multi-Modal"
            " Human Action Understanding. arXiv:1703.07475, 2017."
        ),
        licence=LICENCE,
        expected=expected,
        spare_classes=phase.number == 2,
        published=Path(__file__).with_name(f"published_{phase.number}.csv"),
    )
