"""Who moves in the test clips of a column, from the prepared dataset: clips of one subject are no independent draws."""

from __future__ import annotations

from collections.abc import Collection

from sslskel.data.prepare import open_benchmark
from sslskel.errors import DataError
from sslskel.leaderboard.compare import Clusters, NotPaired
from sslskel.leaderboard.model import Column
from sslskel.plugins.registry import BENCHMARKS

SUBJECTS = "subjects"


def subjects_of(column: Column, asked: Collection[str] = ()) -> Clusters:
    """The subject of every clip whose subject is known.

    Code of a working folder's benchmark runs for those who ``asked`` for it by name. Raises ``NotPaired`` where the
    dataset is not prepared on this machine, or holds other data than the column was judged on.
    """
    name = column.benchmark
    known = BENCHMARKS.get(name) if name in asked else BENCHMARKS.installed(name)
    if known is None:
        raise NotPaired(
            f"benchmark '{name}' is not installed, so that the subjects of its clips are unknown; one of your own"
            f" folder is looked at where you name it (--benchmark {name})"
        )
    try:
        dataset = open_benchmark(known)
    except DataError as fault:
        raise NotPaired(f"the subjects of its clips are unknown: {fault}") from fault
    if dataset.fingerprint != column.fingerprint:
        raise NotPaired(
            f"'{column.benchmark}' as prepared here is data {dataset.fingerprint[:12]}, not {column.fingerprint[:12]},"
            " so that the subjects of its clips are unknown"
        )
    clips = zip(dataset.keys.tolist(), dataset.subjects.tolist(), strict=True)
    return Clusters(SUBJECTS, {key: subject for key, subject in clips if subject >= 0})
