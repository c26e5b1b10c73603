"""A trained network as ONNX: prepared images in, calibrated probabilities out.

Flow:  Bundle --write_onnx--> model.onnx with `pictures` (N, C, H, W) -> `probabilities` (N, classes)
           and, where the bundle can say it, `unlike` (N,)

The graph is that of `DeployedNetwork`. Torch's tracing exporter is used, with the package onnx.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path

from headswap.bundle.predictor import Bundle
from headswap.errors import HeadswapError
from headswap.exports.graph_names import INPUT
from headswap.storage.files import remove
from headswap.storage.locations import install_command

OPSET = 18
_MOST_BYTES = 1_900_000_000  # one protobuf message holds 2 GB


class NoOnnx(HeadswapError):
    """This network cannot be written as ONNX; the sentence says why."""


def write_onnx(bundle: Bundle, target: Path, *, for_web: bool = False) -> tuple[str, ...]:
    """Write a bundle's network to a file.

    Args:
        bundle: a trained network.
        target: the file; there is none where writing fails.
        for_web: one image at a time, with heat maps where these are exact.

    Returns:
        What the graph answers, in order: see `DeployedNetwork`.

    Raises:
        NoOnnx: it is too large, or it does something that ONNX has no word for.
    """
    import torch

    if find_spec("onnx") is None:
        raise NoOnnx("The package onnx is not installed.", remedy="Install it with `pip install onnx`.")
    if sum(value.nbytes for value in bundle.network.module.state_dict().values()) > _MOST_BYTES:
        raise NoOnnx("ONNX holds 2 GB in one file, and this network is larger.", remedy="Use predict.py.")
    from headswap.exports.graph import DeployedNetwork

    channels, height, width = bundle.card.input.size
    example = torch.zeros(1, channels, height, width)
    deployed = DeployedNetwork(bundle, with_heat=for_web).eval()
    names = [INPUT, *deployed.outputs]
    try:
        with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
            warnings.simplefilter("ignore")  # about the exporter's age, and sizes that become fixed
            torch.onnx.export(
                deployed,
                (example,),
                str(target),
                dynamo=False,
                opset_version=OPSET,
                do_constant_folding=not for_web,  # numbers kept in half precision would be written in single
                input_names=names[:1],
                output_names=names[1:],
                dynamic_axes=None if for_web else {name: {0: "batch"} for name in names},
            )
    except (RuntimeError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        remove(target)
        said = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise NoOnnx(
            f"{bundle.card.model.partition('/')[2]} does something that cannot be written as ONNX: {said}",
            remedy="Use predict.py.",
        ) from error
    return deployed.outputs


def write_openvino(bundle: Bundle, target: Path) -> None:
    """Write the same graph as OpenVINO's model.xml, with model.bin next to it, in single precision.

    Raises:
        NoOnnx: openvino is not installed, or as `write_onnx`.
    """
    if find_spec("openvino") is None:
        raise NoOnnx(
            "The package openvino is not installed.", remedy=f"Install it with `{install_command('fast')}`."
        )
    import openvino

    between = target.with_suffix(".onnx.part")
    write_onnx(bundle, between)
    try:
        openvino.save_model(openvino.convert_model(str(between)), str(target), compress_to_fp16=False)
    finally:
        remove(between)
