"""What leaves the program: the zip with its own programs, ONNX, a model card, measured to agree."""
