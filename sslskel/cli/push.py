"""Put an exported encoder on a model hub, where `OWNER/NAME` opens it."""

from __future__ import annotations

import argparse

from sslskel.paths import user_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel push``."""
    parser.add_argument("folder", type=user_path, help="a folder that `sslskel export` made")
    parser.add_argument("name", metavar="OWNER/NAME", help="its name on the hub; made where it is not there yet")
    parser.add_argument("--private", action="store_true", help="make a new one that others do not see")


def run(options: argparse.Namespace) -> int:
    """Put it there and print its address."""
    from sslskel.encoders.hub import push

    print(push(options.folder, options.name, private=options.private))
    return 0
