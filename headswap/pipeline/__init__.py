"""From pictures to a bundle and back: one experiment, run, repeated, compared."""
