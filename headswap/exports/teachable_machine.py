"""A bundle in Teachable Machine's format: model.json, metadata.json and weights.bin.

Flow:  Bundle --graph of ONNX, folded--> its nodes --Topology--> layers of Keras, as TensorFlow.js reads them

Scratch extensions, ml5, PictoBlox and many classroom sites load this format through the library
@teachablemachine/image. Nothing of TensorFlow is needed to write it. That library cuts a square, shrinks it
as the browser likes, and scales it in a way of its own; what can be undone is undone by the first layer, the
rest makes its answers differ from headswap's (docs/decisions/0033-teachable-machines-format.md).
"""

from __future__ import annotations

import json
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headswap.bundle.predictor import Bundle
from headswap.data.manifest import Manifest, check_one_class
from headswap.errors import HeadswapError
from headswap.exports.canvas import library_route
from headswap.exports.graph_names import INPUT
from headswap.exports.onnx import OPSET
from headswap.exports.parity import ParityCheck, check_of
from headswap.storage.files import replacing, to_json

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_SCALE = 127.0  # the library gives value / 127 - 1
_STILL = (1980, 1, 1, 0, 0, 0)  # the time of every file in the zip: the same input gives the same bytes
_README = """# For Scratch, ml5, PictoBlox and others that read Teachable Machine's format

Put model.json, metadata.json and weights.bin into one folder of a web host, and give the folder's address
where the program asks for the link of a Teachable Machine model.

These programs cut and shrink pictures in their own way, so their answers differ from headswap's.
Pictures compared: {images}. Named the same: {same}. Largest difference of a probability: {largest:.3f}.
{note}
The web page of headswap (`headswap export BUNDLE page.html`) gives the same answers.
"""


class NoTeachableMachine(HeadswapError):
    """This network cannot be written in that format; the sentence says why."""


@dataclass
class Topology:
    """Layers of Keras and their weights, in the order in which they were added."""

    layers: list[dict[str, Any]] = field(default_factory=list)
    weights: list[tuple[str, NDArray[np.float32]]] = field(default_factory=list)

    def add(
        self, kind: str, inputs: Sequence[str], weights: dict[str, NDArray[Any]] | None = None, **config: Any
    ) -> str:
        """Add a layer; returns its name."""
        name = f"{kind.lower()}_{len(self.layers)}"
        self.layers.append(
            {
                "class_name": kind,
                "name": name,
                "config": {"name": name, "trainable": False, **config},
                "inbound_nodes": [[[one, 0, 0, {}] for one in inputs]] if inputs else [],
            }
        )
        for key, value in (weights or {}).items():
            self.weights.append((f"{name}/{key}", np.ascontiguousarray(value, np.float32)))
        return name

    def scaled(self, source: str, factor: NDArray[Any], offset: NDArray[Any]) -> str:
        """Multiply and add, channel by channel."""
        ones, zeros = np.ones_like(factor), np.zeros_like(factor)
        weights = {"gamma": factor, "beta": offset, "moving_mean": zeros, "moving_variance": ones}
        return self.add(
            "BatchNormalization", [source], weights, axis=-1, epsilon=0.0, scale=True, center=True
        )

    def mixed(self, source: str, kernel: NDArray[Any], bias: NDArray[Any], activation: str = "linear") -> str:
        """A linear layer: kernel (in, out)."""
        return self.add(
            "Dense", [source], {"kernel": kernel, "bias": bias}, units=kernel.shape[1], use_bias=True,
            activation=activation,
        )  # fmt: skip

    def model_json(self, last: str) -> str:
        """As TensorFlow.js reads it."""
        named = [
            {"name": name, "shape": list(value.shape), "dtype": "float32"} for name, value in self.weights
        ]
        config = {
            "name": "headswap",
            "layers": self.layers,
            "input_layers": [[self.layers[0]["name"], 0, 0]],
            "output_layers": [[last, 0, 0]],
        }
        record = {
            "format": "layers-model",
            "generatedBy": "headswap",
            "convertedBy": None,
            "modelTopology": {
                "class_name": "Model",
                "config": config,
                "keras_version": "tfjs-layers 1.3.1",
                "backend": "tensor_flow.js",
            },
            "weightsManifest": [{"paths": ["weights.bin"], "weights": named}],
        }
        return json.dumps(record)


def write_teachable_machine(
    bundle: Bundle, target: Path, *, title: str, manifest: Manifest | None = None
) -> ParityCheck:
    """Write a zip with a bundle in Teachable Machine's format.

    Args:
        bundle: a trained network.
        target: the zip, replaced as a whole.
        title: what the model is called.
        manifest: the images it was trained on, where they still are; None: drawings have to do.

    Returns:
        How far the answers of the library that loads it differ, by its own way to prepare images: on up to
        100 images of the test, else on drawings.

    Raises:
        NoTeachableMachine: its head reads every layer, or it has a layer that the format does not know.
    """
    check_one_class("Teachable Machine's format", is_multi_label=bundle.card.is_multi_label)
    topology, last = topology_of(bundle)
    metadata = {
        "tfjsVersion": "1.3.1",
        "packageVersion": "0.8.5",
        "packageName": "@teachablemachine/image",
        "userMetadata": {},
        "modelName": title,
        "labels": bundle.classes,
        "imageSize": bundle.card.input.height,
    }
    route = library_route(bundle, manifest)
    check = check_of([route], ())  # no names of images: it is made to be published
    contents: dict[str, str | bytes] = {
        "README.md": _README.format(
            images=route.images, same=route.same, largest=route.largest_difference, note=route.note
        ),
        "check.json": to_json(check, indent=1),
        "metadata.json": json.dumps(metadata, ensure_ascii=False),
        "model.json": topology.model_json(last),
        "weights.bin": b"".join(value.tobytes() for _, value in topology.weights),
    }
    with replacing(target) as whole, zipfile.ZipFile(whole, "w") as packed:
        for name, content in contents.items():
            info = zipfile.ZipInfo(name, date_time=_STILL)
            info.external_attr, info.compress_type = 0o100644 << 16, zipfile.ZIP_DEFLATED
            packed.writestr(info, content)
    return check


def topology_of(bundle: Bundle) -> tuple[Topology, str]:
    """The layers of a bundle and the name of the last one, which gives calibrated probabilities."""
    card, spec = bundle.card, bundle.card.input
    name = card.model.partition("/")[2]
    why = ""
    if card.site.taps:
        why = "its head reads every layer; teach it with --head last (What the head reads: the last layer)"
    elif card.flip:
        why = "its answer is the mean over a picture and its mirror image; teach it without --mirror"
    elif spec.channels != 3 or spec.height != spec.width or spec.channel_order != "RGB":
        why = "it does not take square pictures in red, green and blue"
    if why:
        raise _refused(name, why)
    made = Topology()
    size = spec.height
    entry = made.add("InputLayer", [], batch_input_shape=[None, size, size, 3], dtype="float32", sparse=False)
    mean, std = np.asarray(spec.mean), np.asarray(spec.std)
    entry = made.scaled(entry, _SCALE / 255 / std, (_SCALE / 255 - mean) / std)
    logits = _converted(_folded(bundle), made, entry, bundle)
    classes = len(card.classes)
    share = card.even_share
    shares = made.mixed(logits, np.eye(classes) / card.temperature, np.zeros(classes), "softmax")
    if share:
        even = np.full(classes, share / classes)
        shares = made.mixed(shares, np.eye(classes) * (1.0 - share), even)
    return made, shares


def _refused(name: str, why: str) -> NoTeachableMachine:
    return NoTeachableMachine(
        f"{name} cannot be written in Teachable Machine's format: {why}.",
        remedy="The web page of headswap (NAME.html) takes any network.",
    )


def _folded(bundle: Bundle) -> ModelProto:
    """The network alone, up to its logits, with norms folded and sizes fixed."""
    import onnx
    import onnxruntime
    import torch

    from headswap.heads.loss import logits_of

    site = bundle.card.site

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = bundle.network.module

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            answer = self.network(images)
            is_plain = torch.is_tensor(answer) and answer.ndim == 2 and site.answer_kind == "logits"
            return answer if is_plain else logits_of(answer, site)  # a mean over one head is a needless layer

    with tempfile.TemporaryDirectory(prefix="headswap-", ignore_cleanup_errors=True) as temporary:
        plain, folded = Path(temporary) / "plain.onnx", Path(temporary) / "folded.onnx"
        with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
            warnings.simplefilter("ignore")  # about the exporter's age, and sizes that become fixed
            torch.onnx.export(
                Logits().eval(), (torch.zeros(1, *bundle.card.input.size),), str(plain), dynamo=False,
                opset_version=OPSET, input_names=[INPUT], output_names=["logits"],
            )  # fmt: skip
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors only
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(folded)
        onnxruntime.InferenceSession(str(plain), options, providers=["CPUExecutionProvider"])
        return onnx.load(str(folded))


def _converted(model: ModelProto, made: Topology, entry: str, bundle: Bundle) -> str:
    """Add a layer for each node of a graph; returns the name of the last one."""
    from onnx import numpy_helper

    constants = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    known = {INPUT: entry}
    name = bundle.card.model.partition("/")[2]
    for node in model.graph.node:
        convert = _CONVERTERS.get(node.op_type)
        if convert is None:
            raise _refused(name, f"the format has no layer for {node.op_type}")
        given = _Given(
            node,
            [known[one] for one in node.input if one in known],
            [constants.get(one) for one in node.input],
        )
        try:
            known[node.output[0]] = convert(made, given)
        except _Unknown as unknown:
            raise _refused(name, str(unknown)) from None
    return known[model.graph.output[0].name]


class _Unknown(Exception):
    """The format has no such layer."""


@dataclass
class _Given:
    """A node of a graph: its layers before, and its constants, None in place of those layers."""

    node: NodeProto
    sources: list[str]
    constants: list[NDArray[Any] | None]

    def attribute(self, name: str, default: Any) -> Any:
        from onnx import helper

        found = [helper.get_attribute_value(one) for one in self.node.attribute if one.name == name]
        return found[0] if found else default

    def constant(self, index: int) -> NDArray[Any]:
        value = self.constants[index] if index < len(self.constants) else None
        if value is None:
            raise _Unknown(f"the format has no layer for this kind of {self.node.op_type}")
        return value


def _padded(made: Topology, given: _Given) -> str:
    top, left, bottom, right = given.attribute("pads", (0, 0, 0, 0))
    return _around(made, given.sources[0], (top, bottom), (left, right))


def _around(made: Topology, source: str, rows: tuple[int, int], columns: tuple[int, int]) -> str:
    if not any((*rows, *columns)):
        return source
    padding = [list(rows), list(columns)]
    return made.add("ZeroPadding2D", [source], padding=padding, data_format="channels_last")


def _conv(made: Topology, given: _Given) -> str:
    kernel = given.constant(1)  # (out, in of a group, height, width)
    outputs, inputs, height, width = kernel.shape
    groups = given.attribute("group", 1)
    bias = given.constant(2) if len(given.constants) > 2 else np.zeros(outputs)
    common = {
        "kernel_size": [height, width],
        "strides": list(given.attribute("strides", (1, 1))),
        "dilation_rate": list(given.attribute("dilations", (1, 1))),
        "padding": "valid",
        "data_format": "channels_last",
        "activation": "linear",
        "use_bias": True,
    }
    source = _padded(made, given)
    if groups == 1:
        weights = {"kernel": kernel.transpose(2, 3, 1, 0), "bias": bias}
        return made.add("Conv2D", [source], weights, filters=outputs, **common)
    if inputs != 1:
        raise _Unknown("the format has no convolution in groups")
    by_channel = kernel.reshape(groups, outputs // groups, height, width).transpose(2, 3, 0, 1)
    weights = {"depthwise_kernel": by_channel, "bias": bias}
    return made.add("DepthwiseConv2D", [source], weights, depth_multiplier=outputs // groups, **common)


def _pad(made: Topology, given: _Given) -> str:
    pads = [int(one) for one in given.constant(1)]
    value = given.constants[2] if len(given.constants) > 2 else None
    is_zero = value is None or not float(value)
    is_of_maps = len(pads) == 8 and not any((*pads[:2], *pads[4:6])) and min(pads) >= 0
    if given.attribute("mode", b"constant") != b"constant" or not is_zero or not is_of_maps:
        raise _Unknown("the format has no such border")
    return _around(made, given.sources[0], (pads[2], pads[6]), (pads[3], pads[7]))


def _clip(made: Topology, given: _Given) -> str:
    if float(given.constant(1)) != 0.0:
        raise _Unknown("the format has no such limit")
    return made.add("ReLU", given.sources, max_value=float(given.constant(2)))


def _gemm(made: Topology, given: _Given) -> str:
    kernel = given.constant(1)
    kernel = kernel.T if given.attribute("transB", 0) else kernel
    bias = given.constant(2) if len(given.constants) > 2 else np.zeros(kernel.shape[1])
    scaled = kernel * given.attribute("alpha", 1.0), bias * given.attribute("beta", 1.0)
    return made.mixed(given.sources[0], *scaled)


def _add(made: Topology, given: _Given) -> str:
    if len(given.sources) != 2:
        raise _Unknown("the format has no sum with a constant")
    return made.add("Add", given.sources)


def _concat(made: Topology, given: _Given) -> str:
    if given.attribute("axis", 1) != 1 or len(given.sources) != len(given.node.input):
        raise _Unknown("the format has no such concatenation")
    return made.add("Concatenate", given.sources, axis=-1)


def _max_pool(made: Topology, given: _Given) -> str:
    kinds = {layer["name"]: layer["class_name"] for layer in made.layers}
    # A border of zeros changes no maximum of what is never below zero.
    is_safe = not any(given.attribute("pads", (0,))) or kinds[given.sources[0]] == "ReLU"
    if not is_safe or given.attribute("ceil_mode", 0):
        raise _Unknown("the format has no such pooling")
    return made.add(
        "MaxPooling2D", [_padded(made, given)], pool_size=list(given.attribute("kernel_shape", (2, 2))),
        strides=list(given.attribute("strides", (1, 1))), padding="valid", data_format="channels_last",
    )  # fmt: skip


def _mean(made: Topology, given: _Given) -> str:
    axes = given.attribute("axes", None)
    axes = axes if axes is not None else given.constant(1)
    if sorted(int(axis) % 4 for axis in axes) != [2, 3]:
        raise _Unknown("the format has no such mean")
    return made.add("GlobalAveragePooling2D", given.sources, data_format="channels_last")


_CONVERTERS: dict[str, Callable[[Topology, _Given], str]] = {
    "Conv": _conv,
    "Pad": _pad,
    "Clip": _clip,
    "Relu": lambda made, given: made.add("ReLU", given.sources),
    "Sigmoid": lambda made, given: made.add("Activation", given.sources, activation="sigmoid"),
    "Add": _add,
    "Concat": _concat,
    "MaxPool": _max_pool,
    "GlobalAveragePool": lambda made, given: made.add(
        "GlobalAveragePooling2D", given.sources, data_format="channels_last"
    ),
    "ReduceMean": _mean,
    "Gemm": _gemm,
    # pooled features have no positions any more, so there is nothing to lay flat
    "Flatten": lambda made, given: given.sources[0],
    "Reshape": lambda made, given: given.sources[0],
    "Squeeze": lambda made, given: given.sources[0],
    "Identity": lambda made, given: given.sources[0],
}
