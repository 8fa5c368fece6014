"""Finding plugins and presets by name, and writing new plugins."""
