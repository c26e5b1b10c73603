"""Linear heads solved on features: solver, heads, cross-validation."""
