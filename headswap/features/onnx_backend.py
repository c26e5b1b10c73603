"""A backbone translated once for a library that runs it faster than torch: OpenVINO, ONNX Runtime.

Flow:  HookedNetwork network --ONNX, kept on disk--> OpenVINO | ONNX Runtime --> Run on (N, C, H, W) float32

The translation is made by tracing one batch of two, so a network whose steps depend on the
images, or on their number, is translated wrongly; the caller compares first.
"""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headswap.errors import BundleDamaged, HeadswapError
from headswap.features.engines import Engine
from headswap.features.hooks import HookedNetwork
from headswap.storage.files import check_seal, discard, sealed_folder, write_by_library

Run = Callable[[Tensor], tuple[Tensor, Tensor]]  # (N, C, H, W) float32 to (N, D), (N, classes), on the CPU
LARGEST_BYTES = 1_500_000_000  # of weights; one ONNX file holds at most 2 GB
_FORMAT = "1"  # of a translation; another number is another file


class NotTranslated(HeadswapError):
    """A library cannot run this network."""


def run_translated(watched: HookedNetwork, engine: Engine, batch: Tensor, *, folder: Path, key: str) -> Run:
    """Translate a network, or take the translation from disk.

    Args:
        watched: in eval mode, on the CPU.
        engine: whose library is not torch.
        batch: (N, C, H, W) float32, one or more images.
        folder: where translations are kept; safe to delete.
        key: names weights, head and input; another key is another translation.

    Raises:
        NotTranslated: the library refuses.
    """
    name = hashlib.sha256(f"{_FORMAT}\n{torch.__version__}\n{key}".encode()).hexdigest()
    size = sum(value.numel() * value.element_size() for value in watched.state_dict().values())
    if size > LARGEST_BYTES:
        raise NotTranslated(f"The network is too large for {engine.library}.", remedy="Torch runs it.")
    start = _LIBRARIES[engine.library]
    example = torch.cat([batch[:1], batch[-1:]]).contiguous()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # tracers warn of every branch; the answers are compared instead
            return start(
                _kept(folder / name[:24], lambda graph: _write_onnx(watched, example, graph)), engine
            )
    except Exception as error:
        raise NotTranslated(
            f"{engine.library} cannot run this network: {type(error).__name__}.", remedy="Torch runs it."
        ) from error


def _kept(folder: Path, write: Callable[[Path], None]) -> Path:
    """The folder of a translation, whole: from an earlier run, or written now."""
    try:
        check_seal(folder)
    except BundleDamaged:
        discard(folder)
        with (
            contextlib.suppress(FileExistsError),
            sealed_folder(folder) as draft,
        ):  # another process was first
            write_by_library(_file_in(draft), lambda: write(draft))
    return folder


def _start_openvino(folder: Path, engine: Engine) -> Run:
    import openvino

    compiled = openvino.Core().compile_model(
        _file_in(folder),
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": "bf16" if engine.precision == "bfloat16" else "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "ENABLE_CPU_PINNING": False,  # or several processes share the first processors
        },
    )

    def run(batch: Tensor) -> tuple[Tensor, Tensor]:
        given = compiled([batch.contiguous().numpy()])
        return _tensor(given[0]), _tensor(given[1])

    return run


def _write_onnx(watched: HookedNetwork, example: Tensor, folder: Path) -> None:
    names = ("pictures", "features", "logits")
    torch.onnx.export(
        watched,
        (example,),
        str(_file_in(folder)),
        dynamo=False,  # traces in a third of the time, and needs no further package
        input_names=names[:1],
        output_names=names[1:],
        dynamic_axes={name: {0: "pictures"} for name in names},
    )


def _start_onnx(folder: Path, engine: Engine) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors only
    options.enable_cpu_mem_arena = False  # ours keeps freed memory too, and takes half as much at the most
    session = onnxruntime.InferenceSession(str(_file_in(folder)), options, providers=["CPUExecutionProvider"])

    def run(batch: Tensor) -> tuple[Tensor, Tensor]:
        features, logits = session.run(["features", "logits"], {"pictures": batch.contiguous().numpy()})
        return _tensor(features), _tensor(logits)

    return run


def _tensor(given: Any) -> Tensor:
    return torch.from_numpy(np.array(given, dtype=np.float32))  # a copy: the library reuses its memory


def _file_in(folder: Path) -> Path:
    return folder / "body.onnx"


_LIBRARIES = {"openvino": _start_openvino, "onnxruntime": _start_onnx}
