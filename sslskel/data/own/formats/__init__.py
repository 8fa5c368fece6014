"""Formats of single recordings, one module each; all of them are listed in ``table.py``."""
