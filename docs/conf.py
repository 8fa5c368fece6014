"""How Sphinx makes the site out of the pages of docs/; `scripts/site` runs it, with warnings as errors."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from sslskel.version import __version__  # noqa: E402

project = "sslskel"
author = "The sslskel developers"
copyright = author  # noqa: A001
release = version = __version__
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"sslskel {release}"
html_static_path: list[str] = []
myst_heading_anchors = 4
# Titles of sections repeat the kinds of a page (Recipe, Options, Splits); links name their page first.
suppress_warnings = ["myst.header"]
