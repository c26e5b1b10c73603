"""Files and records on disk: written whole or not at all, read back with their types."""
