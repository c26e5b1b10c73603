from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from headswap.data.transforms import to_float
from headswap.features import onnx_backend as translated
from headswap.features.engines import Engine
from headswap.features.hooks import HookedNetwork
from headswap.features.onnx_backend import NotTranslated, run_translated
from headswap.heads.detect import find_head
from headswap.network import Network

pytest.importorskip("onnxruntime")

MakeNetwork = Callable[..., Network]
MakeImages = Callable[[int], NDArray[np.uint8]]
ENGINE = Engine("cpu", "float32", library="onnxruntime")


def watched(network: Network) -> HookedNetwork:
    return HookedNetwork(network.module, find_head(network), network.name).eval()


def batch(network: Network, images: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(to_float(images, network.input))


def test_a_translation_is_written_once(
    make_network: MakeNetwork, make_images: MakeImages, tmp_path: Path
) -> None:
    network = make_network()
    given = batch(network, make_images(3))
    first = run_translated(watched(network), ENGINE, given, folder=tmp_path, key="k")
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.onnx")}

    again = run_translated(watched(network), ENGINE, given, folder=tmp_path, key="k")

    assert len(written) == 1
    assert written == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.onnx")}
    assert torch.equal(first(given)[0], again(given)[0])


def test_a_damaged_translation_is_written_again(
    make_network: MakeNetwork, make_images: MakeImages, tmp_path: Path
) -> None:
    network = make_network()
    given = batch(network, make_images(3))
    first = run_translated(watched(network), ENGINE, given, folder=tmp_path, key="k")
    file = next(tmp_path.rglob("*.onnx"))
    file.write_bytes(file.read_bytes()[:-9])

    again = run_translated(watched(network), ENGINE, given, folder=tmp_path, key="k")

    assert torch.equal(first(given)[0], again(given)[0])


def test_a_network_that_is_too_large_is_refused(
    make_network: MakeNetwork, make_images: MakeImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = make_network()
    monkeypatch.setattr(translated, "LARGEST_BYTES", 10)

    with pytest.raises(NotTranslated, match="too large for onnxruntime"):
        run_translated(watched(network), ENGINE, batch(network, make_images(1)), folder=tmp_path, key="k")


def test_what_cannot_be_traced_is_said_in_one_sentence(
    make_network: MakeNetwork, make_images: MakeImages, tmp_path: Path
) -> None:
    class Unknown(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.fft.rfft2(x).abs().mean((2, 3), keepdim=True).expand_as(x) * torch.special.i0(x)

    network = make_network(Unknown())

    with pytest.raises(NotTranslated, match="onnxruntime cannot run this network"):
        run_translated(watched(network), ENGINE, batch(network, make_images(1)), folder=tmp_path, key="k")
    assert not list(tmp_path.rglob("*.onnx"))
