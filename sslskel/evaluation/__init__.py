"""How encoders are judged: what several protocols share, and the one place that sees test labels."""
