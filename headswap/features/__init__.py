"""The frozen backbone, run once: engines, extraction, features kept on disk by content."""
