"""Plots: figure records and their SVG. Knows no domain."""
