"""The grid of methods, protocols, benchmarks and seeds: what is due, and running it."""
