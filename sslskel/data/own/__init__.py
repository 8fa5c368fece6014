"""Recordings of a person's own: from arrays, motion capture and pickles to a benchmark (``importing.py``)."""
