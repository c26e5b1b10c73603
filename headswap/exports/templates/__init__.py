"""Files that travel in the zip as they stand here. They run without headswap and import nothing of it."""
