"""Layers that several backbones and methods build on."""
