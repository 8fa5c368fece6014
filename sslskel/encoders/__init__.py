"""Encoders from checkpoints and released files: opened, adapted to a dataset, exported."""
