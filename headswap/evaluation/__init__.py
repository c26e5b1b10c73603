"""How good a network is, said honestly: metrics, calibration, suspect labels, advice, the report."""
