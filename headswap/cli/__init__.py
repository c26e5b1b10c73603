"""The shell: its verbs, what they print while they work."""
