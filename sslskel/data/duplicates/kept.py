"""What the search for copies gave, kept beside a prepared dataset, also beside one of an earlier version."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress

from sslskel.api.copies import SharedFrames
from sslskel.api.dataset import Dataset
from sslskel.data.duplicates.search import search
from sslskel.errors import SslskelError
from sslskel.files import publish, read_regular
from sslskel.hashing import json_sha256
from sslskel.progress import SILENT, Reporter

FORM = 1
"""Another way to search makes another list."""
FILES = ("copies.json", "copies-recordings.json")
"""Of clips, and of the recordings that they were cut from."""
MOST_BYTES = 1 << 30


def kept_copies(dataset: Dataset, reporter: Reporter = SILENT) -> tuple[SharedFrames, ...]:
    """The list beside the data; where there is none, or it is damaged or of other data, it is made and kept.

    A folder that cannot be written goes without, which ``reporter`` says.
    """
    path = dataset.path / FILES[dataset.segments is not None]
    with suppress(OSError, SslskelError, ValueError, KeyError, TypeError):
        content = json.loads(read_regular(path, MOST_BYTES))
        facts = {name: content[name] for name in ("form", "fingerprint", "pairs")}
        if facts["form"] == FORM and facts["fingerprint"] == dataset.fingerprint and content["self"] == _digest(facts):
            return tuple(_pair(numbers, len(dataset)) for numbers in facts["pairs"])
    shared = search(dataset, reporter)
    facts = {"form": FORM, "fingerprint": dataset.fingerprint, "pairs": [list(one) for one in shared]}
    text = json.dumps({**facts, "self": _digest(facts)}, separators=(",", ":"))
    try:
        publish(path, text.encode(), replace_existing=True)
    except OSError as fault:
        reporter.line(f"{path} cannot be written ({fault.strerror}), so that every run searches for copies again")
    return tuple(shared)


def _digest(facts: dict[str, object]) -> str:
    return json_sha256(facts)


def _pair(numbers: Sequence[int], clips: int) -> SharedFrames:
    first, second, frames, begin_first, begin_second, exact = numbers
    if not 0 <= int(first) < int(second) < clips:
        raise ValueError("not rows of clips")
    return SharedFrames(int(first), int(second), int(frames), int(begin_first), int(begin_second), bool(exact))
