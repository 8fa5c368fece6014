"""Runs the sections of the check of a GPU one after the other; ends with 1 where one of them failed.

Usage: scripts/gpu-check [--device cuda:0] [--small] [--minutes 8] [--only WORD] [--output FOLDER]
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "tests" / "support"), str(ROOT / "scripts" / "pages")]
# Read when the registries are first asked, and by processes that are started here.
os.environ.setdefault("SSLSKEL_PLUGINS", str(ROOT / "scripts" / "pages" / "studies" / "plugins"))

import draws  # noqa: E402
import equality  # noqa: E402
import facts  # noqa: E402
import ntu_size  # noqa: E402
import repeats  # noqa: E402
import speeds  # noqa: E402
import suite  # noqa: E402
import two_processes  # noqa: E402
import waiting  # noqa: E402
from sections import Section, Settings, run_sections  # noqa: E402

from sslskel.errors import UsageError  # noqa: E402

SECTIONS = (
    Section("facts and kernels", facts.facts),
    Section("equality with the CPU", equality.every_method, share=0.35),
    Section("keyed noise", draws.against_cpu, share=0.05),
    Section("waits for the device", waiting.by_line, share=0.1),
    Section("two processes against one", two_processes.two_against_one),
    Section("the same twice", repeats.twice),
    Section("resumed on another device", repeats.resumed),
    Section("tests of GPUs", suite.marked_tests),
    Section("evaluation at the size of NTU-60", ntu_size.evaluation),
    Section("contrastive steps", speeds.contrastive, share=0.15),
    Section("steps against as_released", speeds.against_released, share=0.4),
)
"""What costs most comes last, so that a run that is cut off has said the most."""


def main(words: list[str] | None = None) -> int:
    """Run what the words ask for."""
    parser = argparse.ArgumentParser(prog="scripts/gpu-check", description=__doc__)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:0, cpu ... (default: cuda)")
    parser.add_argument("--small", action="store_true", help="few methods at small sizes, so that a CPU takes a minute")
    parser.add_argument("--minutes", type=float, default=8.0, help="after which no section begins (default: 8)")
    parser.add_argument("--only", default="", metavar="WORD", help="sections whose name has this word")
    parser.add_argument("--output", type=Path, default=Path("gpu-check"), help="folder of the two files")
    options = parser.parse_args(words)
    settings = Settings(options.device, options.small, 60 * options.minutes)
    chosen = [section for section in SECTIONS if options.only in section.name]
    if not chosen:
        parser.error(f"no section's name has '{options.only}'; there are: {', '.join(one.name for one in SECTIONS)}")
    try:
        print(f"on {settings.device}", flush=True)
    except UsageError as fault:
        parser.error(str(fault))
    return run_sections(chosen, settings, options.output)


if __name__ == "__main__":
    sys.exit(main())
