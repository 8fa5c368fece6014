"""Clips that hold the same movement: ids by which a clip is known again, and the search for copies in a dataset."""
