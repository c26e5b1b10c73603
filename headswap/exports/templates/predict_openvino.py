"""Classify images with model.xml: openvino, pillow and numpy, no torch.

    python predict_openvino.py picture.jpg [more.png a-folder] [--json]

The model takes `pictures`, (N, C, H, W) float32, prepared as preprocessing.json says, and gives
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

    if not (folder / "model.xml").is_file():
        raise pictures.Problem("model.xml is not in this folder. Unpack the whole zip.")
    try:
        import openvino
    except ImportError as error:
        raise pictures.Problem(
            "Python cannot find openvino. Run `pip install openvino pillow numpy`."
        ) from error
    exact = {"INFERENCE_PRECISION_HINT": "f32"}  # as it was measured, whatever the processor could do faster
    network = openvino.Core().compile_model(str(folder / "model.xml"), "CPU", exact)
    names = [one.get_any_name() for one in network.outputs]

    def answer(numbers: Any) -> tuple[Any, Any]:
        said = dict(zip(names, network(numbers).values(), strict=True))
        return said["probabilities"], said.get("unlike")

    return answer


if __name__ == "__main__":
    try:
        from pictures import main  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        missing = "pillow" if error.name == "PIL" else error.name
        sys.exit(f"Python cannot find {missing}. Run `pip install openvino pillow numpy`.")
    sys.exit(main("Name pictures with model.xml.", open_network))
