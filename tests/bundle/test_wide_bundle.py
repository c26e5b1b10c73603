"""A bundle whose head reads every layer says the same wherever it is opened."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import headswap
from headswap.bundle.format import REFERENCE, pack, read_card
from headswap.bundle.heatmap import heat_of
from headswap.bundle.predictor import load_bundle
from headswap.bundle.reference import read_reference
from headswap.data.transforms import to_float
from headswap.evaluation.metrics import calibrated
from headswap.exports.onnx import write_onnx
from headswap.exports.package import ONNX, take_home
from headswap.exports.rebuild import spec_of
from headswap.exports.templates import predict
from headswap.heads.wide import WideNetwork
from headswap.pipeline.replay import train_again
from headswap.storage.files import to_plain
from tests.bundle.conftest import Untaught

NETWORKS = (
    "torchvision/squeezenet1_1",  # a convolution for a head, an activation after it
    "timm/test_mambaout",  # maps with channels last
    # tokens, two heads; tests/bundle/test_rebuild.py builds it each time
    pytest.param("timm/deit_tiny_distilled_patch16_224", marks=pytest.mark.thorough),
    "LevitForImageClassificationWithTeacher",  # of transformers
)


@pytest.fixture
def wide(wide_bundle: Path) -> Path:
    return wide_bundle


def test_the_card_says_what_the_head_reads_and_the_bundle_is_a_network_like_any_other(wide: Path) -> None:
    card, bundle = read_card(wide), load_bundle(wide)

    assert len(card.site.taps) == 18
    assert card.site.in_features == (6240,)
    assert isinstance(bundle.network.module, WideNetwork)


def test_folder_and_zip_say_what_the_report_said(wide: Path, few_drawings: Path, tmp_path: Path) -> None:
    bundle = load_bundle(wide)
    packed = load_bundle(pack(wide, tmp_path / "b.zip"))
    test = bundle.report.answers[:6]

    for answer in test:
        said, again = bundle.predict(few_drawings / answer.file), packed.predict(few_drawings / answer.file)
        assert said.probabilities == again.probabilities
        assert said.nearest
        assert said.ood_score is not None


def test_it_remembers_what_images_look_like_by_the_last_features(wide: Path) -> None:
    reference = read_reference(wide / REFERENCE)

    assert reference is not None
    assert reference.compare(np.zeros((1, 1280), np.float32)), (
        "1280 numbers, not the 6240 that the head reads"
    )


def test_the_same_run_again_gives_the_same_bundle_bit_for_bit(
    wide: Path, few_drawings: Path, tmp_path: Path
) -> None:
    train_again(wide, few_drawings, out=tmp_path / "b", workspace=tmp_path / "w")

    for name in ("weights.safetensors", "memory.safetensors", "report.json", "bundle.json"):
        assert (tmp_path / "b" / name).read_bytes() == (wide / name).read_bytes(), name


def test_every_program_of_the_zip_agrees_also_after_its_classes_were_changed(
    wide: Path, sample: Path, workspace: Path, tmp_path: Path
) -> None:
    (tmp_path / "bug").mkdir()
    for path in sorted((sample / "train" / "bug").iterdir())[:8]:
        shutil.copy(path, tmp_path / "bug")
    edited = tmp_path / "b"
    headswap.edit(wide, edited, add=tmp_path / "bug", remove="fruit", workspace=workspace)

    check = take_home(edited, tmp_path / "b.zip")

    assert check.agree
    assert {way.name for way in check.routes} == {"bundle", "predict.py", "model.onnx"}
    assert all(way.same == way.images for way in check.routes)
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        card = archive.read("b/README.md").decode()
        assert "its head was replaced by one that reads every layer and" in card
        assert "keeps the features of 24 of these pictures (0.1 MB)" in card
        assert "- removed fruit\n- added 8 pictures of bug" in card
        assert json.loads(archive.read("b/labels.json")) == ["bird", "bug", "vehicle"]


def test_a_heat_map_is_drawn(wide: Path, sample: Path) -> None:
    bundle = load_bundle(wide)
    image = bundle.prepare(next((sample / "train" / "bird").iterdir()))

    heat = heat_of(bundle, image, 0)

    assert heat.shape == image.shape[:2]
    assert 0 <= heat.min() < heat.max() == 1


@pytest.mark.parametrize("model", NETWORKS)
def test_its_own_library_and_onnx_build_the_same_network(
    model: str, untaught: Untaught, tmp_path: Path
) -> None:
    place = untaught(model, wide=True)
    bundle = load_bundle(place)
    spec = to_plain(spec_of(bundle))
    images = np.random.default_rng(0).integers(0, 255, (2, *bundle.card.input.size[1:], 3), dtype=np.uint8)
    entering = to_float(images, bundle.card.input)
    ours = bundle.logits(images)

    module = predict.widened(predict.bare_network(spec), spec)
    predict.fill(module, spec, *predict.read_tensors(place / "weights.safetensors"))
    with torch.inference_mode():
        said = predict.logits_of(module.eval()(torch.from_numpy(entering)), spec).double().numpy()

    assert np.abs(ours).max() > 0
    assert np.allclose(said, ours, atol=1e-5)
    write_onnx(bundle, tmp_path / ONNX)
    session = onnxruntime.InferenceSession(str(tmp_path / ONNX), providers=["CPUExecutionProvider"])
    shown = session.run(["probabilities"], {"pictures": entering})[0]
    assert np.allclose(shown, calibrated(ours, 1.5, bundle.card.even_share), atol=1e-4)
