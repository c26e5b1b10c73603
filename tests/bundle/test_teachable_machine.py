from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d, pad

from headswap import export
from headswap.bundle.predictor import load_bundle
from headswap.cli.shell import call_of
from headswap.exports.export import ZipForm
from headswap.exports.parity import ParityCheck
from headswap.exports.teachable_machine import NoTeachableMachine, topology_of
from tests.bundle.conftest import Untaught

Numbers = dict[str, torch.Tensor]
Packed = tuple[Path, ParityCheck]


@pytest.fixture(scope="module")
def plain(few_drawings: Path, workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import headswap

    place = tmp_path_factory.mktemp("plain") / "plain"
    headswap.train(few_drawings, out=place, workspace=workspace, head="last")
    return place


@pytest.fixture(scope="module")
def drawings_only(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Packed:
    """Its zip where the images it was trained on are not at hand."""
    target = tmp_path_factory.mktemp("drawings") / "tm.zip"
    return target, export(plain, target, form="teachable-machine")


@pytest.fixture(scope="module")
def with_images(plain: Path, few_drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> Packed:
    target = tmp_path_factory.mktemp("images") / "tm.zip"
    return target, export(plain, target, form="teachable-machine", data=few_drawings)


def test_its_layers_say_what_the_bundle_says_of_the_same_pixels(
    plain: Path, drawings_only: Packed, sample: Path
) -> None:
    bundle = load_bundle(plain)

    with zipfile.ZipFile(drawings_only[0]) as packed:
        model = json.loads(packed.read("model.json"))
        metadata = json.loads(packed.read("metadata.json"))
        weights = np.frombuffer(packed.read("weights.bin"), np.float32)
        assert {"model.json", "metadata.json", "weights.bin"} < set(packed.namelist())
    assert metadata["labels"] == list(bundle.classes)
    assert metadata["imageSize"] == 224
    for picture in sorted((sample / "try").iterdir())[:3]:
        seen = torch.from_numpy(bundle.prepare(picture).astype(np.float32))
        said = run(model, weights, (seen / 127 - 1).movedim(-1, 0)[None])[0]
        expected = bundle.predict(picture).probabilities
        assert dict(zip(bundle.classes, said.tolist(), strict=True)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("with_pictures", [False, True])
def test_how_far_the_library_differs_is_told_and_travels_without_names_of_pictures(
    request: pytest.FixtureRequest, with_pictures: bool
) -> None:
    target, check = request.getfixturevalue("with_images" if with_pictures else "drawings_only")

    (way,) = check.routes
    assert way.name == "@teachablemachine/image"
    assert way.largest_difference is not None
    assert 0.001 < way.largest_difference < 1
    assert not check.agree
    assert ("Only drawings were at hand" in way.note) is not with_pictures
    assert (way.images == 4) is not with_pictures
    with zipfile.ZipFile(target) as packed:
        inside = json.loads(packed.read("check.json"))
        readme = packed.read("README.md").decode()
    assert inside["ways"][0]["largest_difference"] == way.largest_difference
    assert inside["pictures"] == inside["drawings"] == []
    assert f"Pictures compared: {way.images}. Named the same: {way.same}." in readme
    assert f"{way.largest_difference:.3f}" in readme


def run(model: dict[str, Any], weights: np.ndarray, images: torch.Tensor) -> torch.Tensor:
    """What TensorFlow.js makes of such layers, in torch: channels stand first here."""
    given = numbers_of(model, weights)
    known: Numbers = {}
    for layer in model["modelTopology"]["config"]["layers"]:
        inputs = [known[one[0]] for one in layer["inbound_nodes"][0]] if layer["inbound_nodes"] else [images]
        own = {
            key.partition("/")[2]: value
            for key, value in given.items()
            if key.startswith(f"{layer['name']}/")
        }
        known[layer["name"]] = LAYERS[layer["class_name"]](inputs, own, layer["config"])
    return known[model["modelTopology"]["config"]["output_layers"][0][0]]


def numbers_of(model: dict[str, Any], weights: np.ndarray) -> Numbers:
    found, start = {}, 0
    for one in model["weightsManifest"][0]["weights"]:
        count = int(np.prod(one["shape"]))
        found[one["name"]] = torch.from_numpy(weights[start : start + count].reshape(one["shape"]).copy())
        start += count
    assert start == len(weights)
    return found


def convolved(inputs: list[torch.Tensor], own: Numbers, config: dict[str, Any]) -> torch.Tensor:
    kernel = own["kernel"].permute(3, 2, 0, 1)
    return conv2d(inputs[0], kernel, own["bias"], config["strides"], 0, config["dilation_rate"])


def by_channel(inputs: list[torch.Tensor], own: Numbers, config: dict[str, Any]) -> torch.Tensor:
    channels = own["depthwise_kernel"].shape[2]
    kernel = own["depthwise_kernel"].permute(2, 3, 0, 1).flatten(0, 1)[:, None]
    return conv2d(inputs[0], kernel, own["bias"], config["strides"], 0, config["dilation_rate"], channels)


def mixed(inputs: list[torch.Tensor], own: Numbers, config: dict[str, Any]) -> torch.Tensor:
    made = inputs[0] @ own["kernel"] + own["bias"]
    return made.softmax(dim=1) if config["activation"] == "softmax" else made


def normed(inputs: list[torch.Tensor], own: Numbers, config: dict[str, Any]) -> torch.Tensor:
    gamma, beta, mean, variance = (
        own[name][:, None, None] for name in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    return (inputs[0] - mean) / (variance + config["epsilon"]).sqrt() * gamma + beta


LAYERS: dict[str, Any] = {
    "InputLayer": lambda inputs, _own, _config: inputs[0],
    "Conv2D": convolved,
    "DepthwiseConv2D": by_channel,
    "BatchNormalization": normed,
    "ZeroPadding2D": lambda inputs, _own, config: pad(
        inputs[0], (*config["padding"][1], *config["padding"][0])
    ),
    "ReLU": lambda inputs, _own, config: inputs[0].clamp(0, config.get("max_value")),
    "Add": lambda inputs, _own, _config: inputs[0] + inputs[1],
    "GlobalAveragePooling2D": lambda inputs, _own, _config: inputs[0].mean(dim=(2, 3)),
    "Dense": mixed,
}


def test_the_shell_offers_every_form_of_a_zip() -> None:
    for form in get_args(ZipForm):
        call = call_of(["export", "a-bundle", "a.zip", "--form", form])
        assert call is not None
        assert call.arguments["form"] == form


def test_a_head_that_reads_every_layer_is_refused_in_words(wide_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(NoTeachableMachine, match="its head reads every layer; teach it with --head last"):
        export(wide_bundle, tmp_path / "tm.zip", form="teachable-machine")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("model", ["timm/test_vit", "mobilenet_v3_small"])
def test_a_layer_that_the_format_does_not_know_is_named(model: str, untaught: Untaught) -> None:
    with pytest.raises(NoTeachableMachine, match="the format has no "):
        topology_of(load_bundle(untaught(model)))


@pytest.mark.parametrize("model", ["timm/resnet18", "mobilenet_v2"])
def test_other_networks_of_these_layers_are_written(model: str, untaught: Untaught) -> None:
    made, last = topology_of(load_bundle(untaught(model)))

    assert made.layers[-1]["name"] == last
    assert len(made.layers) > 20
