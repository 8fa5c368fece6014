"""The value of a JSON file."""

from __future__ import annotations

import json
from pathlib import Path

from sslskel.data.own.formats.text_lines import read_text
from sslskel.errors import DataError


def load_json(path: Path) -> object:
    """What a JSON file holds; raises ``DataError``."""
    try:
        value: object = json.loads(read_text(path))
    except (ValueError, RecursionError) as fault:
        raise DataError(f"'{path}' is not readable JSON ({str(fault)[:120]}); write or copy it again") from fault
    return value
