"""``${...}`` in configurations: nothing of it in what others wrote, and a short list of it in one's own overrides.

A preset or a checkpoint with ``${oc.env:TOKEN}`` would otherwise put a secret of this machine into a record.
"""

from __future__ import annotations

import re

from sslskel.errors import UsageError
from sslskel.text import plain

RESOLVERS = ("oc.env", "oc.select", "oc.decode")
"""What an override may call: a variable of the environment, another option, a value out of text."""
MOST_DEPTH = 50
"""Of plain data; options have two or three."""
SEED = "{seed}"
"""What stands for a run's seed in the path of ``--init``."""
NO_SEED = (
    f"{SEED} stands for the seed in --init alone, since a method has the same options and reads the same files whatever"
    " the seed; write one path, and give a command for each seed (--seeds 3, is seed 3) where each needs its own"
)
"""Why it stands nowhere else."""
_START = "${"
_INNERMOST = re.compile(rf"\$\{{(?:(?:{'|'.join(map(re.escape, RESOLVERS))}):[^${{}}]*|[A-Za-z_][\w.]*)\}}")
_PLACE = "_"
"""Takes the place of one that is allowed while what lies around it is looked at."""


def refuse_interpolations(values: object, what: str, depth: int = 0) -> None:
    """Raise ``UsageError`` that begins with ``what`` where any text in plain data would be taken for another value."""
    if depth > MOST_DEPTH:
        raise UsageError(f"{what}: lists and mappings lie more than {MOST_DEPTH} deep in each other")
    if isinstance(values, str) and _START in values:
        raise UsageError(
            f"{what}: '{plain(values):.60}' stands for another value, which is never looked up for a file; write the"
            " value itself"
        )
    if isinstance(values, dict):
        inner = [*values, *values.values()]
    else:
        inner = list(values) if isinstance(values, (list, tuple)) else []
    for one in inner:
        refuse_interpolations(one, what, depth + 1)


def check_override(override: str) -> None:
    """Raise ``UsageError`` for an override that calls anything but :data:`RESOLVERS`, or that differs by seed."""
    if SEED in override:
        raise UsageError(f"'{override}': {NO_SEED}")
    rest, before = override, ""
    while rest != before:
        before, rest = rest, _INNERMOST.sub(_PLACE, rest)
    if _START in rest:
        raise UsageError(
            f"'{override}': only another option (${{group.key}}) and {', '.join(RESOLVERS)} may stand in ${{...}}"
        )
