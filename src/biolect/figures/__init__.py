"""Figures: every plot of the package, as functions from values to a matplotlib Figure. No plot reads a file."""
