"""Classify images with model.tflite: ai-edge-litert, pillow and numpy, no torch.

    python predict_litert.py picture.jpg [more.png a-folder] [--int8] [--json]

The model takes `pictures`, (1, C, H, W) float32, prepared as preprocessing.json says, and gives
`probabilities`, (1, classes) float32, calibrated, in the order of labels.json, and in most cases
`unlike`, (1,) float32: the OOD score, over 1 where an image is unlike everything the network was trained on.

--int8 asks model_int8.tflite, which is smaller and quicker and answers a little differently: README.md says
how well it does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

IS_INT8 = "--int8" in sys.argv
MODEL = "model_int8.tflite" if IS_INT8 else "model.tflite"


def open_network(folder: Path) -> Callable[[Any], Any]:
    """A function from (N, C, H, W) float32 to (N, classes) probabilities and (N,) OOD scores; or None."""
    import numpy as np
    import pictures  # type: ignore[import-not-found,unused-ignore]  # next to this file, in the zip

    if not (folder / MODEL).is_file():
        raise pictures.Problem(f"{MODEL} is not in this folder. Unpack the whole zip, or see README.md.")
    try:
        from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        raise pictures.Problem(
            "Python cannot find ai-edge-litert. Run `pip install ai-edge-litert pillow numpy`."
        ) from error
    ask = Interpreter(model_path=str(folder / MODEL)).get_signature_runner("serving_default")

    def answer(numbers: Any) -> tuple[Any, Any]:
        said = [ask(pictures=numbers[index : index + 1]) for index in range(len(numbers))]
        probabilities = np.concatenate([one["probabilities"] for one in said])
        if "unlike" not in said[0]:
            return probabilities, None
        return probabilities, np.concatenate([one["unlike"] for one in said])

    return answer


if __name__ == "__main__":
    try:
        from pictures import main  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        missing = "pillow" if error.name == "PIL" else error.name
        sys.exit(f"Python cannot find {missing}. Run `pip install ai-edge-litert pillow numpy`.")
    sys.argv = [word for word in sys.argv if word != "--int8"]
    sys.exit(main(f"Name pictures with {MODEL}.", open_network))
