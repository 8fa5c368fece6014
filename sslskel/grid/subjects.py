"""Who moves in the test clips of a column, from the prepared dataset: clips of one subject are no independent draws."""

from __future__ import annotations

from sslskel.data.prepare import open_benchmark
from sslskel.errors import DataError
from sslskel.leaderboard.compare import Clusters, NotPaired
from sslskel.leaderboard.model import Column
from sslskel.plugins.registry import BENCHMARKS

SUBJECTS = "subjects"


def subjects_of(column: Column) -> Clusters:
    """The subject of every clip whose subject is known.

    Raises ``NotPaired`` where the dataset is not prepared on this machine, or holds other data than
    the column was judged on.
    """
    if column.benchmark not in BENCHMARKS.names():
        raise NotPaired(f"benchmark '{column.benchmark}' is not installed; the subjects of its clips are unknown")
    try:
        dataset = open_benchmark(BENCHMARKS.get(column.benchmark))
    except DataError as fault:
        raise NotPaired(f"the subjects of its clips are unknown: {fault}") from fault
    if dataset.fingerprint != column.fingerprint:
        raise NotPaired(
            f"'{column.benchmark}' as prepared here is data {dataset.fingerprint[:12]}, not {column.fingerprint[:12]},"
            " so that the subjects of its clips are unknown"
        )
    known = zip(dataset.keys.tolist(), dataset.subjects.tolist(), strict=True)
    return Clusters(SUBJECTS, {key: subject for key, subject in known if subject >= 0})
