"""Finding plugins by name, and writing new ones."""
