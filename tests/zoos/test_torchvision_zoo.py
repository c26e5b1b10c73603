from __future__ import annotations

import hashlib
import io
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torchvision
from PIL import Image
from torchvision.models import get_model_weights

from headswap.errors import WeightsDamaged, WeightsNotHere
from headswap.events import Event, Progress, silent
from headswap.network import InputSpec
from headswap.zoos import torchvision_zoo
from headswap.zoos.torchvision_zoo import TorchvisionZoo
from headswap.zoos.zoo import ZooSettings


@pytest.fixture
def offline(tmp_path: Path) -> TorchvisionZoo:
    return TorchvisionZoo(ZooSettings(cache=tmp_path, offline=True))


def test_the_zoo_has_every_classification_architecture_of_torchvision() -> None:
    assert list(TorchvisionZoo().names()) == torchvision.models.list_models(module=torchvision.models)
    assert len(TorchvisionZoo().names()) == 80


@pytest.mark.parametrize("name", TorchvisionZoo().names())
def test_the_card_says_what_torchvision_states(name: str) -> None:
    published = get_model_weights(name).DEFAULT
    transform = published.transforms()

    card = TorchvisionZoo().describe(name)

    assert card.input == InputSpec(
        height=transform.crop_size[0],
        width=transform.crop_size[0],
        resize_px=transform.resize_size[0],
        mean=tuple(transform.mean),
        std=tuple(transform.std),
        interpolation=transform.interpolation.value,
    )
    assert card.num_classes == 1000
    assert card.licence == published.meta.get("license")
    assert card.year is None


@pytest.mark.parametrize("name", ["resnet50", "swin_t", "inception_v3", "efficientnet_b1"])
def test_the_spec_done_by_hand_gives_torchvisions_own_pixels(name: str, cat_images: list[Path]) -> None:
    spec = TorchvisionZoo().describe(name).input
    image = Image.open(cat_images[0]).convert("RGB")

    theirs = get_model_weights(name).DEFAULT.transforms()(image)

    assert torch.equal(_by_hand(image, spec), theirs)


@pytest.mark.parametrize("name", ["vit_h_14", "vit_l_16", "swin_v2_t", "maxvit_t", "efficientnet_b5"])
def test_a_network_is_built_for_the_image_size_of_its_weights(name: str) -> None:
    network = TorchvisionZoo().build(name, device="meta")

    logits = network.module(torch.empty(1, *network.input.size, device="meta"))

    assert logits.shape == (1, 1000)


def test_real_weights_put_by_hand_are_found_and_name_a_cat(
    offline: TorchvisionZoo, tmp_path: Path, squeezenet_file: Path, cat_images: list[Path]
) -> None:
    place = tmp_path / "torchvision" / "squeezenet1_1.safetensors"
    place.parent.mkdir()
    shutil.copy(squeezenet_file, place)

    network = offline.load("squeezenet1_1", silent)

    assert offline.describe("squeezenet1_1").weights.text == "on this machine"
    assert network.weights_sha256 == hashlib.sha256(place.read_bytes()).hexdigest()
    assert network.card.weights.source == str(place)
    with torch.no_grad():
        batch = torch.stack([_by_hand(Image.open(path).convert("RGB"), network.input) for path in cat_images])
        guesses = [network.class_names[index] for index in network.module(batch).argmax(1)]
    feline = sum(any(word in guess for word in ("cat", "tabby", "lynx", "Siamese")) for guess in guesses)
    assert feline >= len(guesses) / 2, guesses


def test_a_file_in_torchs_own_cache_is_found_and_its_hash_is_checked(
    offline: TorchvisionZoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    data, digest = _saved("squeezenet1_1")
    checkpoints = tmp_path / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    _publish(monkeypatch, f"http://127.0.0.1:9/squeezenet1_1-{digest[:8]}.pth")
    (checkpoints / f"squeezenet1_1-{digest[:8]}.pth").write_bytes(data)

    network = offline.load("squeezenet1_1", silent)
    (checkpoints / f"squeezenet1_1-{digest[:8]}.pth").write_bytes(data[:-1] + b"!")

    assert network.weights_sha256 == digest
    with pytest.raises(WeightsDamaged, match="is not the file that was published"):
        offline.load("squeezenet1_1", silent)


def test_weights_are_fetched_once_with_rising_progress(
    shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, digest = _saved("squeezenet1_1")
    shelf.files[f"/squeezenet1_1-{digest[:8]}.pth"] = data
    _publish(monkeypatch, f"{shelf.url}/squeezenet1_1-{digest[:8]}.pth")
    zoo = TorchvisionZoo(ZooSettings(cache=tmp_path))
    heard: list[Event] = []
    before = zoo.describe("squeezenet1_1").weights

    first = zoo.load("squeezenet1_1", heard.append)
    zoo.load("squeezenet1_1", heard.append)

    assert before.text == "to be downloaded (5 MB)"
    assert zoo.describe("squeezenet1_1").weights.text == "on this machine"
    assert first.weights_sha256 == digest
    assert len(shelf.asked) == 1
    assert [event.done for event in heard if isinstance(event, Progress)][-1] == len(data)


def test_with_no_connection_the_message_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _publish(monkeypatch, "http://127.0.0.1:9/squeezenet1_1-00000000.pth")  # no one listens on port 9

    with pytest.raises(WeightsNotHere) as caught:
        TorchvisionZoo(ZooSettings(cache=tmp_path)).load("squeezenet1_1", silent)

    assert str(caught.value) == (
        "These weights are not on this machine and it is offline. Pick one marked ✓, or put the file in "
        f"{tmp_path / 'torchvision'} as squeezenet1_1-00000000.pth (squeezenet1_1)."
    )


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_networks_with_auxiliary_heads_are_loaded_as_they_are_built(
    offline: TorchvisionZoo, tmp_path: Path, name: str
) -> None:
    (tmp_path / "torchvision").mkdir()
    shapes = offline.build(name, device="meta").module.state_dict()
    state = {key: torch.ones(value.shape, dtype=value.dtype) for key, value in shapes.items()}
    torch.save(state, tmp_path / "torchvision" / f"{name}.pth")

    loaded = offline.load(name, silent)

    assert loaded.module.state_dict().keys() == shapes.keys()
    assert getattr(loaded.module, "transform_input") is True  # noqa: B009  as torchvision does for its published weights
    assert offline.build(name, device="meta").module.transform_input is True


def _publish(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    real = get_model_weights("squeezenet1_1").DEFAULT
    published = SimpleNamespace(url=url, meta=real.meta, transforms=real.transforms)
    monkeypatch.setattr(torchvision_zoo, "_published", lambda name: published)


def _saved(name: str) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    torch.save(TorchvisionZoo().build(name).module.state_dict(), buffer)
    data = buffer.getvalue()
    return data, hashlib.sha256(data).hexdigest()


def _by_hand(image: Image.Image, spec: InputSpec) -> torch.Tensor:
    """Resize the shorter side, cut the centre, normalise: in PIL and torch alone."""
    short = min(image.size)
    width, height = (
        spec.resize_px if side == short else int(spec.resize_px * side / short) for side in image.size
    )
    filters = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
    image = image.resize((width, height), filters[spec.interpolation])
    left, top = round((width - spec.width) / 2), round((height - spec.height) / 2)
    image = image.crop((left, top, left + spec.width, top + spec.height))
    pixels = (
        torch.tensor(list(image.tobytes()), dtype=torch.float32).reshape(spec.height, spec.width, 3) / 255
    )
    mean, std = torch.tensor(spec.mean), torch.tensor(spec.std)
    return ((pixels - mean) / std).permute(2, 0, 1)
