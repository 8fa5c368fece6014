"""The interfaces for plugin authors: batches, noise, views, and the contracts of plugins."""
