"""Experiments that break training on purpose, with their numbers."""
