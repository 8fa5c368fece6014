"""``python -m sslskel`` is the ``sslskel`` command."""

import sys

from sslskel.cli import main

if __name__ == "__main__":
    sys.exit(main())
