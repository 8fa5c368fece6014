"""Options: the dataclasses that hold their defaults, and how presets and overrides are composed."""
