"""What programs call an exported network's input and answers, in ONNX, OpenVINO, LiteRT and the web page."""

from __future__ import annotations

INPUT = "pictures"  # (N, C, H, W) float32, prepared
PROBABILITIES = "probabilities"  # (N, classes), calibrated
OOD_SCORE = "unlike"  # (N,), over 1 where an image is unlike everything trained on
HEAT_MAP = "places"  # (N, classes, rows, columns), what each place adds to the score of each class
