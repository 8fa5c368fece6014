"""Lets the tests here import the one-node cluster beside them."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent))
