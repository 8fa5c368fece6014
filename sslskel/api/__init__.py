"""What a plugin author reads: batches, noise, views, and the contracts of plugins."""
