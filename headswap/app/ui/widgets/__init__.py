"""Pieces of HTML that many rooms of the page use."""
