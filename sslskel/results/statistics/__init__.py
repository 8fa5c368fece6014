"""Statistics over pretrainings, clips and benchmarks: shares in, shares out. Knows no record and no board."""

from sslskel.results.statistics.across import (
    Across,
    across_benchmarks,
    critical_difference,
    improvement,
    interquartile_mean,
    mean_ranks,
)
from sslskel.results.statistics.columns import FEWEST, ColumnTests, column_tests, holm, welch
from sslskel.results.statistics.paired import Discordance, Estimate, discordance, over_clips, over_pretrainings
from sslskel.results.statistics.summary import LEVEL, Summary, bootstrap_interval, summarise

__all__ = [
    "FEWEST",
    "LEVEL",
    "Across",
    "ColumnTests",
    "Discordance",
    "Estimate",
    "Summary",
    "across_benchmarks",
    "bootstrap_interval",
    "column_tests",
    "critical_difference",
    "discordance",
    "holm",
    "improvement",
    "interquartile_mean",
    "mean_ranks",
    "over_clips",
    "over_pretrainings",
    "summarise",
    "welch",
]
