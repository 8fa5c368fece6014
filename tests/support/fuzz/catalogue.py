"""Readers of every kind of file, before which damaged files are laid: sentences, results, and nothing else.

Another format of one's own data, another benchmark or another file that sslskel writes gets a reader here;
``tests/test_fuzz.py`` fails for one without.
"""

from __future__ import annotations

from fuzz.captures import CAPTURES
from fuzz.kept import kept
from fuzz.originals import ORIGINALS
from fuzz.own import OWN
from fuzz.sets import SETS
from fuzz.specimens import Reader
from fuzz.words import WORDS


def readers() -> tuple[Reader, ...]:
    """All readers."""
    return (*OWN, *CAPTURES, *SETS, *ORIGINALS, *kept(), *WORDS)
