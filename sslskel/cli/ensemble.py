"""Sum the logits of joint, bone and motion records of a method with fixed weights, and record the result."""

from __future__ import annotations

import argparse

from sslskel.cli.options import add_results_flag
from sslskel.plugins.registry import DEFAULT_BENCHMARK, DEFAULT_PROTOCOL


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel ensemble``."""
    parser.add_argument("records", nargs="*", help="a record's identity for each stream (default: by --method)")
    parser.add_argument("--method", help="the method whose streams are fused, for every seed that has all of them")
    parser.add_argument(
        "--benchmark", default=DEFAULT_BENCHMARK, help="benchmark they were evaluated on (default: %(default)s)"
    )
    parser.add_argument("--split", help="official split (default: whichever has records)")
    parser.add_argument(
        "--protocol", default=DEFAULT_PROTOCOL, help="protocol they were evaluated under (default: %(default)s)"
    )
    parser.add_argument(
        "--weights",
        default="joint=0.6,bone=0.6,motion=0.4",
        help="weight of each stream (default: joint=0.6,bone=0.6,motion=0.4, as in AimCLR)",
    )
    add_results_flag(parser)


def run(options: argparse.Namespace) -> int:
    """Write one record per seed and print their scores."""
    from sslskel.errors import UsageError
    from sslskel.grid.ensemble import fuse_identities, fused_by_seed, parse_weights

    weights = parse_weights(options.weights)
    if bool(options.records) == bool(options.method):
        raise UsageError("name either a record for each stream, or a --method whose records are looked up")
    if options.records:
        records = [fuse_identities(options.results, options.records, weights)]
    else:
        records = fused_by_seed(
            options.results, options.method, options.benchmark, options.protocol, weights, options.split
        )
    shown = ", ".join(f"{stream} {weight:g}" for stream, weight in weights.items())
    for record in records:
        where = f"{record.benchmark['name']}/{record.benchmark['split']} {record.protocol['name']}"
        print(f"{record.method['name']} on {where}, seed {record.seed}: {100 * record.scores['top1']:.1f} % ({shown})")
    print(f"{len(records)} records in {options.results}/records; sslskel leaderboard shows them beside the streams")
    return 0
