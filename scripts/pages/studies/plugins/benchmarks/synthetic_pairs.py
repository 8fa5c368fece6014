"""``synthetic`` with as many second persons as NTU RGB+D 60 has: 59 of 100 bodies are present.

For studies of training on empty bodies; it lies beside the studies and is not part of the package.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sslskel.api.benchmark import ImportReport
from sslskel.api.dataset import Clip, Track
from sslskel.benchmarks.synthetic import BENCHMARK as SYNTHETIC
from sslskel.benchmarks.synthetic.generate import FRONT

SHARE = 0.182
"""Of clips with two persons, so that 1 - 1.182 / 2 = 40.9 % of all bodies are empty."""
APART = np.array([1.0, 0.0, 0.0], dtype=np.float32)
"""Metres from the first person to the second."""


def read(sources: Sequence[Path], report: ImportReport) -> Iterator[Clip]:
    """All clips of ``synthetic/xsub``; some get a second subject of the same action, camera and part."""
    clips = [clip for clip in SYNTHETIC.read(sources, report) if clip.camera in FRONT]
    alone = [at for at, clip in enumerate(clips) if len(clip.tracks) == 1]
    wanted = round(SHARE * len(clips)) - (len(clips) - len(alone))
    chosen = set(np.random.default_rng(0).permutation(alone)[:wanted].tolist())
    trained = SYNTHETIC.splits["xsub"].train
    company: dict[tuple[int, int, bool], list[Clip]] = defaultdict(list)
    for at in alone:
        clip = clips[at]
        company[clip.label, clip.camera, clip.subject in trained].append(clip)
    for at, clip in enumerate(clips):
        others = company[clip.label, clip.camera, clip.subject in trained]
        yield paired(clip, others[at % len(others)]) if at in chosen else clip


def paired(clip: Clip, other: Clip) -> Clip:
    """Both persons side by side, for as long as both are visible."""
    length = min(clip.length, other.length)
    tracks = [
        Track(slot, 0, (of.tracks[0].joints[:length] + shift).astype(np.float32), of.tracks[0].valid[:length])
        for slot, of, shift in ((0, clip, 0 * APART), (1, other, APART))
    ]
    return replace(clip, length=length, tracks=tuple(tracks))


BENCHMARK = replace(
    SYNTHETIC,
    name="synthetic_pairs",
    title="synthetic, with as many second persons as NTU RGB+D 60 has",
    info=replace(SYNTHETIC.info, name="synthetic_pairs"),
    read=read,
    splits={"xsub": SYNTHETIC.splits["xsub"]},
    default_split="xsub",
    expected={"clips": 768, "xsub/train": 480, "xsub/test": 288},
)
