"""A trained network as LiteRT: .tflite files for Android, Raspberry Pi and other small computers.

Flow:  Bundle --write_litert--> model.tflite: `pictures` (1, C, H, W) float32 -> `probabilities`, `unlike`
       model.tflite + training images --write_int8--> the same with convolutions of eight bits
       either file --LiteRtNetwork--> answers

The graph is that of `DeployedNetwork`, written by Google's litert-torch. The extra "lite" brings it, its
interpreter and its quantizer (docs/decisions/0035-litert.md).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headswap.bundle.predictor import Bundle
from headswap.data.manifest import ImageRecord, Manifest
from headswap.data.transforms import to_float
from headswap.errors import HeadswapError
from headswap.exports.graph_names import INPUT, OOD_SCORE, PROBABILITIES
from headswap.exports.parity import QuantizedCheck, compare, expected_answer
from headswap.exports.quantized import LEAST_SAVED, count_right
from headswap.storage.files import remove
from headswap.storage.locations import install_command

if TYPE_CHECKING:
    from torch import Tensor, nn

_PACKAGES = ("litert_torch", "ai_edge_litert", "ai_edge_quantizer")
_SIGNATURE = "serving_default"
_CALIBRATED_ON = 100  # training images at most
_QUANTIZED = ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD")  # a linear head in eight bits costs more than it saves


class NoLiteRt(HeadswapError):
    """This network cannot be written as LiteRT; the sentence says why."""


class LiteRtNetwork:
    """A .tflite file, ready to be asked for one image after the other, on one thread."""

    def __init__(self, file: Path) -> None:
        """Open a file.

        Raises:
            NoLiteRt: it holds an operation that the interpreter does not know.
        """
        from ai_edge_litert.interpreter import Interpreter

        try:
            self._ask = Interpreter(model_path=str(file), num_threads=1).get_signature_runner(_SIGNATURE)
        except (ValueError, RuntimeError) as error:
            raise _refused("it holds an operation that LiteRT cannot run", error) from error

    def answer(self, numbers: NDArray[np.float32]) -> tuple[NDArray[np.float32], float | None]:
        """(1, C, H, W) float32 to (classes,) probabilities and the OOD score, None where it cannot say."""
        said = self._ask(**{INPUT: numbers})
        ood_score = float(said[OOD_SCORE][0]) if OOD_SCORE in said else None
        return np.asarray(said[PROBABILITIES][0], np.float32), ood_score


def check_litert() -> None:
    """Refuse before anything is done where the extra is missing.

    Raises:
        NoLiteRt: a package of it is not installed.
    """
    missing = [name.replace("_", "-") for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise NoLiteRt(
            f"LiteRT needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed.",
            remedy=f"Install it with `{install_command('lite')}`, on Linux or a Mac; on Python 3.11 and 3.12 "
            "that needs an environment of its own, without the page.",
        )


def write_litert(bundle: Bundle, target: Path) -> None:
    """Write a bundle's network to a file, in single precision.

    Raises:
        NoLiteRt: the extra is missing, or the network does something that LiteRT cannot.
    """
    check_litert()
    import torch

    example = torch.zeros(1, *bundle.card.input.size)
    trouble = "it does something that LiteRT has no word for"
    with _written(target, trouble), torch.inference_mode(False), torch.no_grad():
        import litert_torch

        litert_torch.convert(_named(bundle), sample_kwargs={INPUT: example}).export(str(target))


def write_int8(full: Path, target: Path, images: Iterable[NDArray[np.float32]]) -> None:
    """Write a file of `write_litert` once more, its convolutions in whole numbers of eight bits.

    Args:
        full: the file in single precision.
        target: the new one; there is none where writing fails.
        images: prepared training images, (1, C, H, W) each: they show how large the numbers become inside.

    Raises:
        NoLiteRt: the quantizer cannot.
    """
    check_litert()
    with _written(target, "it cannot be written in eight bits"):
        from ai_edge_quantizer.qtyping import TFLOperationName
        from ai_edge_quantizer.quantizer import Quantizer
        from ai_edge_quantizer.recipe_manager import RecipeManager

        quantization = RecipeManager()
        for name in _QUANTIZED:
            quantization.add_static_config(
                regex=".*",
                operation_name=TFLOperationName[name],
                activation_num_bits=8,
                weight_num_bits=8,
            )
        quantizer = Quantizer(str(full))
        quantizer.load_quantization_recipe(quantization.get_quantization_recipe())
        seen = quantizer.calibrate({_SIGNATURE: [{INPUT: one} for one in images]})
        quantizer.quantize(seen).export_model(str(target), overwrite=True)


def write_judged_int8(bundle: Bundle, full: Path, target: Path, manifest: Manifest | None) -> QuantizedCheck:
    """Write the smaller network, judged on the test images; kept only where it is clearly smaller.

    Args:
        bundle: the trained network.
        full: its file of `write_litert`.
        target: the smaller one.
        manifest: the images that the bundle was trained on, where they still are; None: they are not here.

    Raises:
        NoLiteRt: it cannot be judged, is hardly smaller, or cannot be written.
    """
    if bundle.card.is_multi_label:
        raise NoLiteRt(
            "What the smaller network loses is not measured yet where a picture may have several labels.",
            remedy=f"Take {full.name}.",
        )
    there = [one for one in manifest.images if manifest.path(one).is_file()] if manifest else []
    test = [one for one in there if one.part == "test"]
    train = [one for one in there if one.part == "train"]
    if manifest is None or not test or not train:
        raise NoLiteRt(
            "It answers differently, so it is judged on the exam's pictures first, and these are not here.",
            remedy="Give the folder that was taught (--pictures).",
        )
    path_of = manifest.path

    def prepared(image: ImageRecord) -> NDArray[np.float32]:
        return to_float(bundle.prepare(path_of(image))[None], bundle.card.input)

    write_int8(full, target, map(prepared, train[:: -(-len(train) // _CALIBRATED_ON)]))
    sizes = target.stat().st_size, full.stat().st_size
    if sizes[0] > (1 - LEAST_SAVED) * sizes[1]:
        remove(target)
        raise NoLiteRt(
            f"It would take {sizes[0] / 1e6:.0f} MB instead of {sizes[1] / 1e6:.0f}: most of this network's "
            "numbers are not in convolutions.",
            remedy=f"Take {full.name}.",
        )
    network = LiteRtNetwork(target)
    said = [network.answer(prepared(one)) for one in test]
    answers = bundle.predict_many([path_of(one) for one in test])
    expected = [
        expected_answer(one.file, one.class_name, each) for one, each in zip(test, answers, strict=True)
    ]
    named = [dict(zip(bundle.classes, map(float, shares), strict=True)) for shares, _ in said]
    ood_scores = [ood_score for _, ood_score in said]
    labels = [max(one, key=lambda name: one[name]) for one in named]
    route = compare(target.name, expected, named, ood_scores)
    return count_right(route, expected, list(zip(labels, ood_scores, strict=True)), sizes=sizes)


@contextmanager
def _written(target: Path, why: str) -> Iterator[None]:
    """A file that is there afterwards only if nothing failed and it answers; `why` it may fail."""
    try:
        with _quietly():
            yield
        LiteRtNetwork(target)
    except NoLiteRt:
        remove(target)
        raise
    except Exception as error:  # these libraries raise errors of several compilers
        remove(target)
        raise _refused(why, error) from error


def _refused(why: str, error: Exception) -> NoLiteRt:
    said = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
    return NoLiteRt(f"This network cannot be taken along as LiteRT: {why}: {said}", remedy="Use model.onnx.")


def _named(bundle: Bundle) -> nn.Module:
    """The deployed network with its answers by name, so that the file has names too."""
    from torch import nn

    from headswap.exports.graph import DeployedNetwork

    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.deployed = DeployedNetwork(bundle)

        def forward(self, pictures: Tensor) -> dict[str, Tensor]:
            return dict(zip(self.deployed.outputs, self.deployed(pictures), strict=True))

    return Named().eval()


@contextmanager
def _quietly() -> Iterator[Any]:
    """Without the bars and remarks of these libraries: one of them writes to stdout, where answers go."""
    with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        warnings.simplefilter("ignore")
        yield
