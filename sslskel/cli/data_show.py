"""Flags of ``sslskel data show``: draw a clip."""

from __future__ import annotations

import argparse

from sslskel.paths import user_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel data show``."""
    parser.add_argument("name", help="a benchmark (`sslskel list benchmarks`)")
    parser.add_argument("clip", help="name of a clip, or its number from 0")
    parser.add_argument(
        "--output",
        required=True,
        type=user_path,
        help=".png: a sheet of frames, .gif: an animation, .html: an interactive page",
    )
    parser.add_argument("--frames", type=int, help="most frames to draw (default: png 8, gif 250, html 2000)")
    parser.add_argument("--size", type=int, help="width of a picture in pixels (default: png 240, gif 360, html 720)")
    parser.add_argument("--up", metavar="AXIS", help="up axis of the data: x, y, z, or --up=-y (default: detected)")
    parser.add_argument("--turn", type=float, default=25.0, help="degrees from the front, in 3D (default: 25)")


def run(options: argparse.Namespace) -> int:
    """Draw it and print where."""
    from sslskel.data.drawing.draw import draw_clip
    from sslskel.data.prepare import open_benchmark
    from sslskel.plugins.registry import BENCHMARKS

    dataset = open_benchmark(BENCHMARKS.get(options.name))
    drawn = draw_clip(
        dataset,
        options.clip,
        options.output,
        frames=options.frames,
        size=options.size,
        up=options.up,
        turn=options.turn,
    )
    print(f"{options.output}: {drawn}")
    return 0
