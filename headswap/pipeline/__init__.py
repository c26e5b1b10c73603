"""From images to a bundle and back: one experiment, run, repeated, compared."""
