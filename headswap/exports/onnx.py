"""A taught network as ONNX: prepared pictures in, calibrated probabilities out.

Flow:  Bundle --write_onnx--> model.onnx with `pictures` (N, C, H, W) -> `probabilities` (N, classes)

The head's reading (several heads, a softmax of its own) and the calibration are part of the graph,
so another program needs no formula of ours. Torch's tracing exporter is used, with the package onnx.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from headswap.bundle.predictor import Bundle
from headswap.errors import HeadswapError
from headswap.storage.files import remove

if TYPE_CHECKING:
    from torch import Tensor, nn

OPSET = 18
MODEL = "model.onnx"
_MOST_BYTES = 1_900_000_000  # one protobuf message holds 2 GB


class NoOnnx(HeadswapError):
    """This network cannot be written as ONNX; the sentence says why."""


def write_onnx(bundle: Bundle, folder: Path) -> Path:
    """Write model.onnx into a folder.

    Raises:
        NoOnnx: it is too large, or it does something that ONNX has no word for.
    """
    import torch

    if find_spec("onnx") is None:
        raise NoOnnx("The package onnx is not installed.", remedy="Install it with `pip install onnx`.")
    if sum(value.nbytes for value in bundle.network.module.state_dict().values()) > _MOST_BYTES:
        raise NoOnnx("ONNX holds 2 GB in one file, and this network is larger.", remedy="Use predict.py.")
    channels, height, width = bundle.card.input.size
    example = torch.zeros(1, channels, height, width)
    target = folder / MODEL
    try:
        with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
            warnings.simplefilter("ignore")  # about the exporter's age, and sizes that become fixed
            torch.onnx.export(
                _whole(bundle),
                (example,),
                str(target),
                dynamo=False,
                opset_version=OPSET,
                input_names=["pictures"],
                output_names=["probabilities"],
                dynamic_axes={"pictures": {0: "batch"}, "probabilities": {0: "batch"}},
            )
    except (RuntimeError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        remove(target)
        said = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise NoOnnx(
            f"{bundle.card.model.partition('/')[2]} does something that cannot be written as ONNX: {said}",
            remedy="Use predict.py.",
        ) from error
    return target


def _whole(bundle: Bundle) -> nn.Module:
    """The network with what makes probabilities of its answers."""
    from torch import nn

    from headswap.heads.loss import logits_of

    class WholeNetwork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = bundle.network.module

        def forward(self, pictures: Tensor) -> Tensor:
            logits = logits_of(self.network(pictures), bundle.card.site)
            if bundle.card.flip:
                logits = (logits + logits_of(self.network(pictures.flip(-1)), bundle.card.site)) / 2
            share, classes = bundle.card.even_share, len(bundle.card.classes)
            return (logits / bundle.card.temperature).softmax(dim=1) * (1.0 - share) + share / classes

    return WholeNetwork().eval()
