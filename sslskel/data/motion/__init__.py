"""Files of motion-capture formats that benchmarks and recordings of one's own share."""
