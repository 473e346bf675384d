"""Modules that backbones are stacked from."""
