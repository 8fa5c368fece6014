"""One method for sslskel, registered by the entry point in pyproject.toml."""
