"""How encoders are judged: what protocols build on, and the one place that sees test labels."""
