"""/learn: the lessons, drawn and connected."""
