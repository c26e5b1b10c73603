"""Classify images with model.onnx: onnxruntime, pillow and numpy, no torch.

    python predict_onnx.py picture.jpg [more.png a-folder] [--json]

model.onnx takes `pictures`, (N, C, H, W) float32, prepared as preprocessing.json says, and gives
`probabilities`, (N, classes) float32, calibrated, in the order of labels.json, and in most cases
`unlike`, (N,) float32: the OOD score, over 1 where an image is unlike everything the network was trained on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def open_network(folder: Path) -> Callable[[Any], Any]:
    """A function from (N, C, H, W) float32 to (N, classes) probabilities and (N,) OOD scores; or None."""
    import pictures  # type: ignore[import-not-found,unused-ignore]  # next to this file, in the zip

    if not (folder / "model.onnx").is_file():
        raise pictures.Problem("model.onnx is not in this folder. Unpack the whole zip.")
    try:
        import onnxruntime
    except ImportError as error:
        raise pictures.Problem(
            "Python cannot find onnxruntime. Run `pip install onnxruntime pillow numpy`."
        ) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    names = [one.name for one in session.get_outputs()]

    def answer(numbers: Any) -> tuple[Any, Any]:
        said = dict(zip(names, session.run(names, {"pictures": numbers}), strict=True))
        return said["probabilities"], said.get("unlike")

    return answer


if __name__ == "__main__":
    try:
        from pictures import main  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        missing = "pillow" if error.name == "PIL" else error.name
        sys.exit(f"Python cannot find {missing}. Run `pip install onnxruntime pillow numpy`.")
    sys.exit(main("Name pictures with model.onnx.", open_network))
