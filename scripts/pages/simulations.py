"""Simulates pretrainings whose truth is known, and writes how often the statistics of boards err.

Usage: python scripts/pages/simulations.py [--output docs/measured/statistics.md]. A quarter of an hour on one core.

A clip is right where effects of its encoder's pretraining, of the clip, and of method and clip together, and
noise of its own, add up to more than zero. So the true score is known in closed form, on given clips and on all.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import special

from sslskel.results.statistics import (
    FEWEST,
    across_benchmarks,
    column_tests,
    interquartile_mean,
    over_clips,
    summarise,
)

ALPHA = 0.05
CLIPS = (430, 16_487)
"""Test clips of UTD-MHAD and of NTU RGB+D 60, cross-subject."""
PRETRAININGS = (2, 3, 5)
ROWS = (5, 10, 20, 72)
HEIGHT, OF_CLIP, OF_BOTH, OF_PRETRAINING = 0.8, 1.5, 0.7, 0.13
"""Mean and s.d. of the effects, in s.d. of the noise: about 66 % right, 2.4 points between pretrainings."""
SPREAD, RESOLUTION = 0.024, 430
"""s.d. of a row's score over pretrainings where clips are not simulated, and clips that it is rounded to."""
NULLS = {
    "same": "on every clip",
    "own": "on these clips, each with hard clips of its own",
    "new": "over all clips, not on these",
}

PAGE = "docs/measured/statistics.md"
INTRODUCTION = """# What the statistics of boards are worth

Pretrainings whose true scores are known were simulated, and counted was how often boards and `sslskel compare` say
something false. `n` is the number of pretrainings; evaluations of the same weights are averaged first. Every number
is a share with its standard error, from fixed seeds. Made by

```sh
python {script}
```

A simulated clip is right where its own difficulty, an effect of the method on it, one of the pretraining and noise
add up to more than zero: 66 % right, 2.5 points of standard deviation between pretrainings.
`tests/results/statistics/test_rates.py` holds the rates."""
COVERAGE = """How often a 95 % interval holds the true score. A board's interval is over pretrainings, on its test
clips: it says what other seeds would give on them. For other clips of the same kind it is too narrow where clips are
few; `sslskel leaderboard --intervals clips` gives intervals over both."""
BOARDS = """Share of columns with at least one false claim: a row that is called better or worse than the floor and
is not, or one that is bold and not above all others. The limit is .05; for want of pretrainings the tests stay below
it."""
POWER = """What it costs: how often the best of five rows is bold, where all others are equal. Distances are in
standard deviations of a row over its pretrainings."""
COMPARE = """Share of pairs of equal methods that are called different; with one pretraining nothing is. Where each
method finds other clips hard, chance in the choice of clips favours one of them, which a test over pretrainings
alone takes for a difference."""
ACROSS = """How often the 95 % bootstrap interval of the interquartile mean holds its true value. It is that of
`rliable`, and too narrow where pretrainings are few."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rate:
    """How often something happened."""

    name: str
    count: int
    of: int

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.count / self.of

    def text(self) -> str:
        """``.051 ± .003``: the share and its standard error."""
        error = (self.share * (1 - self.share) / self.of) ** 0.5
        return f"{self.share:.3f} ± {error:.3f}"


def clip_effects(random: np.random.Generator, clips: int) -> Floats:
    """How easy each clip is for a method (clips,)."""
    return random.normal(HEIGHT, OF_CLIP, clips) + random.normal(0, OF_BOTH, clips)


def judged(random: np.random.Generator, effects: Floats, pretrainings: int) -> Floats:
    """Which clips are right (pretrainings, clips)."""
    effect = random.normal(0, OF_PRETRAINING, (pretrainings, 1))
    return (random.random((pretrainings, len(effects))) < special.ndtr(effects + effect)).astype(np.float64)


def true_here(effects: Floats) -> float:
    """Expected score over pretrainings, on the clips with these effects."""
    return float(special.ndtr(effects / np.sqrt(1 + OF_PRETRAINING**2)).mean())


def true_anywhere() -> float:
    """Expected score over pretrainings and clips."""
    return float(special.ndtr(HEIGHT / np.sqrt(1 + OF_PRETRAINING**2 + OF_CLIP**2 + OF_BOTH**2)))


def within(truth: float, interval: tuple[float, float] | None) -> bool:
    """Whether an interval holds the truth; one that is not given holds nothing."""
    return interval is not None and interval[0] <= truth <= interval[1]


def coverage(pretrainings: int, clips: int, runs: int, seed: int = 0) -> list[Rate]:
    """Of intervals over pretrainings, for these clips and for all, and of intervals over clips too."""
    random = np.random.default_rng([seed, pretrainings, clips])
    hits = np.zeros(3, np.int64)
    for _ in range(runs):
        effects = clip_effects(random, clips)
        right = judged(random, effects, pretrainings)
        here, anywhere = summarise(right.mean(1).tolist()).interval, over_clips(right).interval
        truth = true_anywhere()
        hits += [within(true_here(effects), here), within(truth, here), within(truth, anywhere)]
    names = ("over pretrainings, on these clips", "the same, for all clips", "over clips too, for all clips")
    return [Rate(name, int(count), runs) for name, count in zip(names, hits, strict=True)]


def repeated(pretrainings: int, evaluations: int, runs: int, seed: int = 0) -> Rate:
    """Coverage where every pretraining is evaluated several times, with heads that vary half as much as it does."""
    random, held = np.random.default_rng([seed, pretrainings, evaluations]), 0
    for _ in range(runs):
        scores = random.normal(0.6, SPREAD, (pretrainings, 1)) + random.normal(
            0, SPREAD / 2, (pretrainings, evaluations)
        )
        held += within(0.6, summarise(rounded(scores).mean(1).tolist()).interval)
    return Rate(f"{evaluations} evaluations of each", held, runs)


def rounded(scores: Floats) -> Floats:
    """To whole clips."""
    return np.round(scores * RESOLUTION) / RESOLUTION


def boards(rows: int, runs: int, seed: int = 0, pretrainings: int = 3, means: Sequence[float] = ()) -> Rate:
    """Columns with one false claim or more, the first row being the floor.

    Without ``means`` all rows are equal. A claim is a row above or below the floor that is not, or a bold row
    that is not above all others.
    """
    random, wrong = np.random.default_rng([seed, rows, pretrainings]), 0
    centres = np.array(means) if means else np.full(rows, 0.6)
    highest = np.flatnonzero(centres == centres.max())
    for _ in range(runs):
        scores = rounded(random.normal(centres[:, None], SPREAD, (rows, pretrainings)))
        pairs = [(row, 0) for row in range(1, rows)]
        tests = column_tests(scores.tolist(), pairs, [pretrainings >= FEWEST] * rows)
        claims = [p is not None and p < ALPHA for p in tests.pairs]
        signs = np.sign(scores[1:].mean(1) - scores[0].mean())
        false = any(
            claim and sign != np.sign(centres[row] - centres[0])
            for claim, sign, (row, _) in zip(claims, signs, pairs, strict=True)
        )
        bold = tests.above_all is not None and tests.above_all < ALPHA
        wrong += false or (bold and (len(highest) > 1 or tests.leader != highest[0]))
    return Rate(f"{rows} rows", wrong, runs)


def mixed(rows: int) -> list[float]:
    """A third of the rows equal to the floor, others above it, two equal leaders: each kind of claim can be false."""
    return [0.6] * (rows // 3 + 1) + [0.75] * (rows - rows // 3 - 3) + [0.9] * 2


def power(distance: float, runs: int, seed: int = 0, rows: int = 5, pretrainings: int = 3) -> Rate:
    """Boards whose best row, so many s.d. above all others, is bold."""
    random, bold = np.random.default_rng([seed, rows, pretrainings, int(100 * distance)]), 0
    centres = np.full(rows, 0.6)
    centres[-1] += distance * SPREAD
    for _ in range(runs):
        scores = rounded(random.normal(centres[:, None], SPREAD, (rows, pretrainings)))
        tests = column_tests(scores.tolist(), [(row, 0) for row in range(1, rows)], [True] * rows)
        bold += tests.leader == rows - 1 and tests.above_all is not None and tests.above_all < ALPHA
    return Rate(f"{distance:g} s.d.", bold, runs)


def compared(null: str, pretrainings: int, clips: int, runs: int, seed: int = 0) -> Rate:
    """Pairs of equal methods that ``sslskel compare`` calls different."""
    random, wrong = np.random.default_rng([seed, pretrainings, clips, list(NULLS).index(null)]), 0
    for _ in range(runs):
        one, other = _effects(random, null, clips)
        gains = judged(random, one, pretrainings) - judged(random, other, pretrainings)
        p = over_clips(gains).p
        wrong += p is not None and p < ALPHA
    return Rate(NULLS[null], wrong, runs)


def _effects(random: np.random.Generator, null: str, clips: int) -> tuple[Floats, Floats]:
    """Effects of the clips for two methods that are equal in the sense of :data:`NULLS`."""
    common = random.normal(HEIGHT, OF_CLIP, clips)
    one = common + random.normal(0, OF_BOTH, clips)
    if null == "same":
        return one, one
    if null == "new":
        return one, common + random.normal(0, OF_BOTH, clips)
    # Clips of about the same difficulty change places: the same true score from other hard clips.
    places = np.argsort(common)[: clips // 10 * 10].reshape(-1, 10)
    other = one.copy()
    other[places] = one[random.permuted(places, axis=1)]
    return one, other


def aggregates(pretrainings: int, runs: int, seed: int = 0, benchmarks: int = 6) -> Rate:
    """Coverage of the interquartile mean's bootstrap interval, of the value that endless pretrainings would give."""
    random, held = np.random.default_rng([seed, pretrainings, benchmarks]), 0
    centres = np.linspace(0.4, 0.9, benchmarks)
    truth = interquartile_mean(random.normal(centres, SPREAD, (200_000, benchmarks)))
    for _ in range(runs):
        [result] = across_benchmarks([random.normal(centres, SPREAD, (pretrainings, benchmarks))], draws=500)
        held += within(truth, result.interval)
    return Rate(f"{benchmarks} benchmarks", held, runs)


def page(scale: float) -> Iterator[str]:
    """The page, line by line; ``scale`` multiplies the number of simulations."""
    many, few = max(50, int(20_000 * scale)), max(50, int(4_000 * scale))
    yield from INTRODUCTION.format(script=f"scripts/pages/simulations.py --output {PAGE}").splitlines()
    yield from ("", "## Intervals of one row", "", COVERAGE, "")
    yield from ("| interval | test clips | 2 pretrainings | 3 | 5 |", "|---|---|---|---|---|")
    for clips, runs in zip(CLIPS, (many, few), strict=True):
        columns = [coverage(count, clips, runs) for count in PRETRAININGS]
        for rates in zip(*columns, strict=True):
            yield f"| {rates[0].name} | {clips:,} | {' | '.join(rate.text() for rate in rates)} |"
    rates = [repeated(count, 6, many) for count in PRETRAININGS]
    yield f"| over pretrainings, {rates[0].name} | 430 | {' | '.join(rate.text() for rate in rates)} |"
    yield from ("", "## Claims of a board", "", BOARDS, "")
    yield from (f"| rows | {' | '.join(map(str, ROWS))} |", f"|---|{'---|' * len(ROWS)}")
    for count in PRETRAININGS[1:]:
        equal = [boards(rows, few, pretrainings=count) for rows in ROWS]
        yield f"| all equal, {count} pretrainings | {' | '.join(rate.text() for rate in equal)} |"
    parts = [boards(rows, few, means=mixed(rows)) for rows in ROWS]
    yield f"| some better, two equal leaders, 3 pretrainings | {' | '.join(rate.text() for rate in parts)} |"
    yield from ("", POWER, "", "| distance of the best row | 3 pretrainings | 5 |", "|---|---|---|")
    for distance in (2.0, 3.0, 5.0, 8.0):
        strong = [power(distance, few, pretrainings=count) for count in PRETRAININGS[1:]]
        yield f"| {strong[0].name} | {' | '.join(rate.text() for rate in strong)} |"
    yield from ("", "## `sslskel compare` of equal methods", "", COMPARE, "")
    yield from ("| equal in which sense | test clips | 2 pretrainings | 3 | 5 |", "|---|---|---|---|---|")
    for clips, runs in zip(CLIPS, (many, few), strict=True):
        for null in NULLS:
            rates = [compared(null, count, clips, runs) for count in PRETRAININGS]
            yield f"| {NULLS[null]} | {clips:,} | {' | '.join(rate.text() for rate in rates)} |"
    yield from ("", "## Means over benchmarks", "", ACROSS, "")
    yield from ("| interval | 3 pretrainings | 5 | 10 |", "|---|---|---|---|")
    rates = [aggregates(count, few) for count in (3, 5, 10)]
    yield f"| interquartile mean, {rates[0].name} | {' | '.join(rate.text() for rate in rates)} |"


def main() -> int:
    """Simulate, then print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="Markdown file to write (default: print)")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the number of simulations (default: 1)")
    options = parser.parse_args()
    text = "\n".join(page(options.scale)) + "\n"
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
