"""The ``sslskel`` command: one file per verb; parses, calls the library, prints; holds no logic.

Verbs are modules of this package, ``list`` among them: nothing else is defined here, since a
module's name would hide the built-in of the same name.
"""

from sslskel.cli.command import VERBS, main

__all__ = ["VERBS", "main"]
