"""Work in parts, done by this process or by many machines. Knows no images and no networks."""
