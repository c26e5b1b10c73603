from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from headswap.bundle.predictor import load_bundle
from headswap.evaluation.metrics import calibrated
from headswap.exports import onnx
from headswap.exports.onnx import NoOnnx, write_onnx, write_openvino
from headswap.exports.package import ONNX
from headswap.storage.locations import install_command
from tests.bundle.conftest import Untaught


def test_any_number_of_images_goes_in_and_calibrated_probabilities_come_out(
    untaught: Untaught, tmp_path: Path
) -> None:
    bundle = load_bundle(untaught("timm/deit_tiny_distilled_patch16_224"))
    images = np.random.default_rng(0).integers(0, 255, (3, 224, 224, 3), dtype=np.uint8)

    write_onnx(bundle, tmp_path / ONNX)
    session = onnxruntime.InferenceSession(str(tmp_path / ONNX), providers=["CPUExecutionProvider"])
    from headswap.data.transforms import to_float

    said = session.run(["probabilities"], {"pictures": to_float(images, bundle.card.input)})[0]

    assert said.shape == (3, 3)
    expected = calibrated(bundle.logits(images), 1.5, bundle.card.even_share)
    assert bundle.card.even_share > 0
    assert np.allclose(said, expected, atol=1e-5)


def test_the_same_network_gives_the_same_file_and_no_path_of_this_machine(
    untaught: Untaught, tmp_path: Path
) -> None:
    bundle = load_bundle(untaught("timm/test_vit"))

    write_onnx(bundle, tmp_path / ONNX)
    write_onnx(bundle, tmp_path / "again.onnx")

    first = (tmp_path / ONNX).read_bytes()
    assert (tmp_path / "again.onnx").read_bytes() == first
    assert str(Path(__file__).parents[2]).encode() not in first
    assert b"site-packages" not in first


def test_what_onnx_has_no_word_for_is_said_in_one_sentence(untaught: Untaught, tmp_path: Path) -> None:
    import torch

    class Strange(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.linalg.eigvals(images[:, 0, :3, :3]).abs()

    bundle = load_bundle(untaught("timm/test_vit"))
    strange = replace(bundle, network=replace(bundle.network, module=Strange()))

    with pytest.raises(NoOnnx, match=r"test_vit does something that cannot be written as ONNX: .*eig"):
        write_onnx(strange, tmp_path / ONNX)
    assert list(tmp_path.iterdir()) == []


def test_without_openvino_the_sentence_says_how_to_install_it(
    untaught: Untaught, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = load_bundle(untaught("timm/test_vit"))
    monkeypatch.setattr(onnx, "find_spec", lambda name: None)

    with pytest.raises(NoOnnx, match=re.escape(f"`{install_command('fast')}`")):
        write_openvino(bundle, tmp_path / "model.xml")
    assert list(tmp_path.iterdir()) == []
