"""/runs: all runs of a browser in one table."""
