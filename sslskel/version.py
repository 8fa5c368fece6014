"""Version of this package, and where its code is."""

from __future__ import annotations

from pathlib import Path

__version__ = "0.1.0"
CHECKOUT = Path(__file__).resolve().parent.parent
"""Root of the checkout that runs; of a wheel the folder it is installed in."""
