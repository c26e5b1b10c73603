"""A trained network in a folder: its format, its answers, its heat maps, how good it is elsewhere."""
