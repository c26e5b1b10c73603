from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from huggingface_hub import constants
from PIL import Image
from safetensors.torch import save, save_file

from headswap.errors import WeightsDamaged, WeightsNotHere
from headswap.events import silent
from headswap.network import InputSpec
from headswap.zoos import timm_zoo
from headswap.zoos.timm_zoo import TimmZoo
from headswap.zoos.zoo import ZooSettings


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TimmZoo:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return TimmZoo(ZooSettings(cache=tmp_path, offline=True))


def test_the_zoo_has_every_architecture_of_timm_and_every_tag() -> None:
    zoo = TimmZoo()

    assert list(zoo.names()) == timm.list_models()
    assert all(zoo.knows(name) for name in timm.list_models(include_tags=True))


def test_every_spec_holds_what_timm_resolves_for_evaluation() -> None:
    zoo = TimmZoo()

    for name in timm.list_models(include_tags=True):
        config = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
        spec = zoo.describe(name).input
        height, width = config["input_size"][1:]
        resized = [math.floor(side / config["crop_pct"]) for side in (height, width)]
        assert spec.size == config["input_size"], name
        assert (spec.mean, spec.std) == (tuple(config["mean"]), tuple(config["std"])), name
        assert spec.interpolation == config["interpolation"], name
        assert {"crop": "center"}.get(spec.crop_mode, spec.crop_mode) == config["crop_mode"], name
        if spec.crop_mode == "crop":
            assert height == width, name  # the two ways of resizing agree for squares only
            assert spec.resize_px == resized[0], name
        if spec.crop_mode == "squash":
            assert (spec.squash_px or (height, width)) == tuple(resized), name
        if spec.crop_mode == "border":
            assert config["crop_pct"] == 1.0, name


@pytest.mark.parametrize("name", ["resnet50", "dm_nfnet_f0", "vit_base_patch16_clip_224", "volo_d4_448"])
def test_the_spec_done_by_hand_gives_timms_own_pixels(name: str, cat_images: list[Path]) -> None:
    spec = TimmZoo().describe(name).input
    config = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    image = Image.open(cat_images[0]).convert("RGB")

    theirs = timm.data.create_transform(**config)(image)

    assert torch.allclose(_by_hand(image, spec), theirs, atol=1e-6)


def test_licences_are_quoted_and_unknown_ones_are_not_stated() -> None:
    zoo = TimmZoo()

    stated = {zoo.describe(name).licence for name in zoo.names()}

    assert "apache-2.0" in stated
    assert None in stated
    assert "unknown" not in stated
    assert {zoo.describe(name).year for name in zoo.names()} == {None}


def test_a_tag_picks_its_own_classes_and_size() -> None:
    zoo = TimmZoo()

    usual, other = zoo.describe("vit_tiny_patch16_224"), zoo.describe("vit_tiny_patch16_224.augreg_in21k")

    assert (usual.num_classes, other.num_classes) == (1000, 21843)
    assert other.parameters is None  # not measured, and not taken from the usual one
    assert zoo.count_parameters("vit_tiny_patch16_224.augreg_in21k") > zoo.count_parameters(
        "vit_tiny_patch16_224"
    )


def test_a_network_that_comes_without_a_head_is_built_with_a_new_one() -> None:
    zoo = TimmZoo()

    network = zoo.build("vit_small_patch14_dinov2", device="meta")

    assert network.card.num_classes == 0
    assert network.head_is_new
    assert network.module.head.out_features == 1000
    assert not zoo.build("test_resnet", device="meta").head_is_new


def test_a_headless_networks_body_is_loaded_whole_beside_the_new_head(
    offline: TimmZoo, tmp_path: Path
) -> None:
    body = timm.create_model("test_vit", num_classes=0)
    config = timm.get_pretrained_cfg("test_vit")
    config.num_classes = 0
    place = tmp_path / "timm" / "test_vit.safetensors"
    place.parent.mkdir()
    save_file(body.state_dict(), place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timm_zoo, "_config", lambda name: config)
        patch.setitem(timm.models._registry._model_pretrained_cfgs, "test_vit", config)

        network = offline.load("test_vit", silent)

    assert network.head_is_new
    assert network.class_names == ()
    assert all(
        torch.equal(network.module.state_dict()[key], value) for key, value in body.state_dict().items()
    )
    assert network.module.head.out_features == 1000


@pytest.mark.parametrize("ending", ["safetensors", "pth"])
@pytest.mark.parametrize("stem", ["test_resnet", "test_resnet.r160_in1k"])
def test_weights_put_by_hand_are_found(offline: TimmZoo, tmp_path: Path, stem: str, ending: str) -> None:
    state = timm.create_model("test_resnet").state_dict()
    place = tmp_path / "timm" / f"{stem}.{ending}"
    place.parent.mkdir()
    if ending == "pth":
        torch.save({"state_dict": state}, place)
    else:
        save_file(state, place)

    network = offline.load("test_resnet", silent)

    assert offline.describe("test_resnet").weights.state == "here"
    assert all(torch.equal(value, state[key]) for key, value in network.module.state_dict().items())
    assert network.class_names[0] == "tench, Tinca tinca"
    assert len(network.class_names) == 1000


def test_a_damaged_or_foreign_file_put_by_hand_is_refused(offline: TimmZoo, tmp_path: Path) -> None:
    place = tmp_path / "timm" / "test_resnet.safetensors"
    place.parent.mkdir()
    save_file(timm.create_model("test_vit").state_dict(), place)
    with pytest.raises(
        WeightsDamaged, match=r"cannot be read as the weights of test_resnet.*download it again"
    ):
        offline.load("test_resnet", silent)

    place.write_bytes(b"\x10" * 40)
    with pytest.raises(WeightsDamaged, match=r"cannot be read as the weights of test_resnet"):
        offline.load("test_resnet", silent)


def test_a_network_without_published_weights_says_so(offline: TimmZoo) -> None:
    name = next(name for name in offline.names() if not timm.get_pretrained_cfg(name).has_weights)

    with pytest.raises(WeightsNotHere, match=rf"timm publishes no weights for {name}\. Pick another network"):
        offline.load(name, silent)

    assert TimmZoo().describe(name).weights.state == "not available"


def test_weights_are_fetched_from_the_hub_with_timms_own_names(hub_shelf, tmp_path: Path) -> None:
    state = timm.create_model("test_resnet").state_dict()
    hub_shelf.files["/timm/test_resnet.r160_in1k/resolve/main/model.safetensors"] = save(state)
    zoo = TimmZoo(ZooSettings(cache=tmp_path))
    before = zoo.describe("test_resnet").weights.state

    network = zoo.load("test_resnet", silent)
    asked = len(hub_shelf.asked)
    zoo.load("test_resnet", silent)

    assert before == "to fetch"
    assert zoo.describe("test_resnet").weights.state == "here"
    assert all(torch.equal(value, state[key]) for key, value in network.module.state_dict().items())
    assert len(hub_shelf.asked) == asked  # the second time no one is asked


@pytest.mark.usefixtures("never_sleeping")
def test_with_no_connection_the_answer_comes_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    )

    with pytest.raises(WeightsNotHere) as caught:
        TimmZoo(ZooSettings(cache=tmp_path)).load("test_resnet", silent)

    assert str(caught.value) == (
        "These weights are not on this machine and it is offline. Pick one marked ✓, or put the file in "
        f"{tmp_path / 'timm'} as test_resnet.safetensors (test_resnet)."
    )


def test_a_hostile_pickle_put_by_hand_is_refused(offline: TimmZoo, tmp_path: Path) -> None:
    mark, place = tmp_path / "it_ran", tmp_path / "timm" / "test_resnet.pth"
    place.parent.mkdir()
    buffer = io.BytesIO()
    torch.save({"state_dict": {}, "extra": _Hostile(mark)}, buffer)
    place.write_bytes(buffer.getvalue())

    with pytest.raises(WeightsDamaged, match="cannot be read as the weights of test_resnet"):
        offline.load("test_resnet", silent)

    assert not mark.exists()


class _Hostile:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


def _by_hand(image: Image.Image, spec: InputSpec) -> torch.Tensor:
    """PIL and torch alone."""
    filters = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
    short = min(image.size)
    size: Any = (
        tuple(spec.resize_px if side == short else int(spec.resize_px * side / short) for side in image.size)
        if spec.crop_mode == "crop"
        else (spec.squash_px or (spec.height, spec.width))[::-1]
    )
    image = image.resize(size, filters[spec.interpolation])
    framed = Image.new("RGB", (max(spec.width, image.width), max(spec.height, image.height)))
    framed.paste(image, ((framed.width - image.width) // 2, (framed.height - image.height) // 2))
    left, top = round((framed.width - spec.width) / 2), round((framed.height - spec.height) / 2)
    image = framed.crop((left, top, left + spec.width, top + spec.height))
    pixels = (
        torch.tensor(list(image.tobytes()), dtype=torch.float32).reshape(spec.height, spec.width, 3) / 255
    )
    return ((pixels - torch.tensor(spec.mean)) / torch.tensor(spec.std)).permute(2, 0, 1)
