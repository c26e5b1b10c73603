"""The five steps of the page and what they draw."""
