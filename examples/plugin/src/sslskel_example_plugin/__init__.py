"""One method for sslskel, found through the entry point in pyproject.toml."""
