"""The prepared dataset on disk: written once, checked, memory-mapped."""
