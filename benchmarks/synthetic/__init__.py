"""The embedded benchmark: 24 actions of a generated 25-joint body, made in seconds.

It exists to exercise every part of the framework without a download. Its ranking of methods
means nothing for human motion. ``xsub`` shows new people to cameras in front of them; ``xview``
shows people, anywhere in the room, to cameras all around them of which every second one is
trained on, so that coordinates as they are tell little.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from sslskel import NTU25, Benchmark, Clip, DatasetInfo, ImportReport, Split
from sslskel.benchmarks.synthetic.actions import ACTIONS
from sslskel.benchmarks.synthetic.generate import (
    AROUND,
    FRONT,
    SUBJECTS,
    TRAIN_SUBJECTS,
    TRAIN_VIEWS,
    VALIDATION_SUBJECTS,
    clips,
)


def read(sources: Sequence[Path], report: ImportReport) -> Iterator[Clip]:
    """Generate every clip; there is no source to read."""
    return clips()


BENCHMARK = Benchmark(
    name="synthetic",
    version=2,
    title="24 actions of a generated body, 16 subjects, 3 cameras in front and 6 all around",
    info=DatasetInfo(
        name="synthetic",
        version=2,
        layout=NTU25,
        classes=tuple(ACTIONS),
        fps=30.0,
        persons=2,
        licence="Apache-2.0",
    ),
    read=read,
    splits={
        "xview": Split(
            "xview",
            "camera",
            train=TRAIN_VIEWS,
            validation=VALIDATION_SUBJECTS,
            test=frozenset(AROUND) - TRAIN_VIEWS,
        ),
        "xsub": Split(
            "xsub",
            "subject",
            train=TRAIN_SUBJECTS,
            validation=VALIDATION_SUBJECTS,
            test=frozenset(SUBJECTS) - TRAIN_SUBJECTS,
            also=Split("front", "camera", train=frozenset(FRONT), validation=frozenset(), test=frozenset(FRONT)),
        ),
    },
    default_split="xview",
    citation="the sslskel developers, sslskel (2026)",
    licence="Apache-2.0",
    embedded=True,
    preset="quick",
    expected={"clips": 1536, "xsub/train": 480, "xsub/test": 288},
)
