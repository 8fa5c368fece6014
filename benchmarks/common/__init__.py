"""What benchmarks of one family share, a package each: the recipes of NTU RGB+D, the readers of PKU-MMD."""
