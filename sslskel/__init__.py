"""sslskel: a benchmark framework for self-supervised learning on 3D human skeletons."""

from pathlib import Path

__version__ = "0.1.0"

# A bare checkout keeps methods/, benchmarks/ and configs/ beside this package; the wheel has them inside.
_root = Path(__file__).resolve().parent.parent
if not (_root / "sslskel" / "methods").is_dir() and (_root / "methods").is_dir():
    __path__.append(str(_root))
