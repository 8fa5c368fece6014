"""Lets the tests here import the fault harness, and the toy method and source of the engine's tests."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent))
sys.path.append(str(Path(__file__).resolve().parents[1] / "engine"))
