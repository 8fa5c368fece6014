"""What belongs to methods and is none."""
