"""Prepare or import a dataset, describe it, write its card, verify every byte of it, or draw a clip of it."""

from __future__ import annotations

import argparse

from sslskel.cli import data_import, data_prepare, data_show
from sslskel.cli.parser import Actions
from sslskel.errors import UsageError
from sslskel.paths import user_path

OVERRIDES = "KEY=VALUE after `import` sets a key of its layout file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The actions of ``sslskel data`` and their flags."""
    actions = Actions(parser)
    data_prepare.add_arguments(actions.add("prepare", "import a benchmark from its original files"))
    data_import.add_arguments(
        actions.add("import", "make a benchmark of your own recordings (docs/guide/your-own-data.md)")
    )
    _add_name(actions.add("info", "describe a prepared dataset"))
    _add_name(actions.add("verify", "compare every byte of a prepared dataset with its checksum"))
    card = actions.add("card", "write the card of a prepared dataset (Markdown)")
    _add_name(card)
    card.add_argument("--output", type=user_path, help="file to write (default: print)")
    data_show.add_arguments(actions.add("show", "draw a clip"))


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a benchmark (`sslskel list benchmarks`)")


def run(options: argparse.Namespace) -> int:
    """Do one of them."""
    if options.overrides and options.action != "import":
        raise UsageError(f"'{options.overrides[0]}' is a key of a layout file, which only `data import` reads")
    actions = {
        "prepare": data_prepare.run,
        "import": data_import.run,
        "info": _info,
        "verify": _verify,
        "card": _card,
        "show": data_show.run,
    }
    return actions[options.action](options)


def _verify(options: argparse.Namespace) -> int:
    from sslskel.data.prepare import open_benchmark
    from sslskel.plugins.registry import BENCHMARKS

    dataset = open_benchmark(BENCHMARKS.get(options.name))
    dataset.verify()
    print(f"{dataset.path}: every file is as it was written; fingerprint {dataset.fingerprint}")
    return 0


def _info(options: argparse.Namespace) -> int:
    from sslskel.data.card import info_lines
    from sslskel.data.prepare import open_benchmark
    from sslskel.plugins.registry import BENCHMARKS

    benchmark = BENCHMARKS.get(options.name)
    print("\n".join(info_lines(benchmark, open_benchmark(benchmark))))
    return 0


def _card(options: argparse.Namespace) -> int:
    from sslskel.data.card import card, write_card
    from sslskel.data.prepare import open_benchmark
    from sslskel.plugins.registry import BENCHMARKS

    benchmark = BENCHMARKS.get(options.name)
    dataset = open_benchmark(benchmark)
    if options.output is None:
        print(card(benchmark, dataset), end="")
    else:
        write_card(benchmark, dataset, options.output)
        print(options.output)
    return 0
