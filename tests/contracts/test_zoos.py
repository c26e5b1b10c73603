"""What every zoo promises, asked of each of them with its smallest networks."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from headswap.errors import HeadswapError, WeightsNotHere
from headswap.events import silent
from headswap.network import Network, NetworkCard
from headswap.storage.files import from_json, to_json
from headswap.zoos.catalogue import zoos
from headswap.zoos.zoo import Zoo, ZooSettings


@dataclass(frozen=True)
class Sample:
    """Small members of one zoo."""

    zoo: str
    small: tuple[str, ...]
    size_at_least: int  # names


SAMPLES = (
    Sample("torchvision", ("squeezenet1_1", "mobilenet_v3_small", "shufflenet_v2_x0_5"), 80),
    Sample("timm", ("test_resnet", "test_vit", "mobilenetv3_small_050", "test_vit.r160_in1k"), 1300),
    Sample("transformers", ("MobileNetV2ForImageClassification", "PvtV2ForImageClassification"), 39),
    Sample("own", ("torchvision.models:squeezenet1_1",), 0),
)
CASES = [pytest.param(sample, id=sample.zoo) for sample in SAMPLES]
NAMED = [
    pytest.param(sample.zoo, name, id=f"{sample.zoo}-{name}") for sample in SAMPLES for name in sample.small
]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _zoo(name: str, cache: Path) -> Zoo:
    if name == "transformers" and find_spec("transformers") is None:
        pytest.skip("the extra transformers is not installed")
    settings = ZooSettings(cache=cache, offline=True, allow_code=True)
    return next(zoo for zoo in zoos(settings) if zoo.name == name)


def _logits(network: Network) -> torch.Tensor:
    with torch.no_grad():
        out = network.module(torch.zeros(1, *network.input.size))
    return out if isinstance(out, torch.Tensor) else out.logits


def test_every_zoo_of_the_catalogue_has_samples_here() -> None:
    assert [zoo.name for zoo in zoos()] == [sample.zoo for sample in SAMPLES]


@pytest.mark.parametrize("sample", CASES)
def test_names_are_plain_unique_and_known(sample: Sample, tmp_path: Path) -> None:
    zoo = _zoo(sample.zoo, tmp_path)

    names = zoo.names()

    assert len(names) >= sample.size_at_least
    assert len(set(names)) == len(names)
    assert all(zoo.knows(name) and name.isascii() and "/" not in name for name in names)
    assert all(zoo.knows(name) for name in sample.small)
    assert not zoo.knows("resnet50 ")
    assert not zoo.knows("")


@pytest.mark.parametrize("sample", CASES)
def test_every_card_goes_to_json_and_back_and_promises_a_usable_image(sample: Sample, tmp_path: Path) -> None:
    zoo = _zoo(sample.zoo, tmp_path)

    for name in zoo.names() + sample.small:
        card = zoo.describe(name)
        assert from_json(NetworkCard, to_json(card)) == card
        assert (card.name, card.zoo) == (name, zoo.name)
        assert len(card.input.mean) == len(card.input.std) == card.input.channels
        assert min(card.input.std) > 0
        assert (
            16 <= min(card.input.height, card.input.width) <= max(card.input.height, card.input.width) <= 1100
        )
        assert card.weights.state in (
            "here",
            "not available",
        )  # offline: nothing is promised that must be fetched


@pytest.mark.parametrize(("zoo_name", "name"), NAMED)
def test_a_built_network_takes_its_image_and_is_in_eval_mode(
    zoo_name: str, name: str, tmp_path: Path
) -> None:
    network = _zoo(zoo_name, tmp_path).build(name)

    logits = _logits(network)

    assert logits.shape == (1, 1000)
    assert not any(module.training for module in network.module.modules())
    assert network.weights_sha256 == ""
    assert len(network.class_names) in (0, 1000), "all that its pretrained head knows, or not stated"


@pytest.mark.parametrize(("zoo_name", "name"), NAMED)
def test_the_number_of_classes_can_be_chosen(zoo_name: str, name: str, tmp_path: Path) -> None:
    zoo = _zoo(zoo_name, tmp_path)

    few = _logits(zoo.build(name, num_classes=3))

    assert few.shape == (1, 3)


@pytest.mark.parametrize(("zoo_name", "name"), NAMED)
def test_a_network_on_meta_has_the_same_shapes_and_no_numbers(
    zoo_name: str, name: str, tmp_path: Path
) -> None:
    zoo = _zoo(zoo_name, tmp_path)

    real, shapes = zoo.build(name), zoo.build(name, device="meta")

    assert {n: p.shape for n, p in real.module.named_parameters()} == {
        n: p.shape for n, p in shapes.module.named_parameters()
    }
    assert all(parameter.is_meta for parameter in shapes.module.parameters())


@pytest.mark.parametrize(("zoo_name", "name"), NAMED)
def test_the_parameters_are_counted_as_they_are(zoo_name: str, name: str, tmp_path: Path) -> None:
    zoo = _zoo(zoo_name, tmp_path)

    network = zoo.build(name)

    real = sum(parameter.numel() for parameter in network.module.parameters())
    assert zoo.count_parameters(name) == real == network.card.parameters
    assert zoo.describe(name).parameters in (None, real)


@pytest.mark.parametrize("sample", CASES[:-1])
def test_loading_without_weights_and_offline_says_where_to_put_them(sample: Sample, tmp_path: Path) -> None:
    zoo = _zoo(sample.zoo, tmp_path)
    missing = next(name for name in zoo.names() if zoo.describe(name).weights.state == "not available")

    with pytest.raises(WeightsNotHere) as caught:
        zoo.load(missing, silent)

    assert str(tmp_path / zoo.name) in caught.value.remedy or "save_pretrained" in caught.value.remedy
    assert isinstance(caught.value, HeadswapError)


def test_importing_the_zoos_loads_no_heavy_library() -> None:
    code = (
        "import sys, headswap.zoos.catalogue, headswap.zoos.own, headswap.zoos.embedded\n"
        "heavy = {'torch', 'torchvision', 'timm', 'transformers', 'huggingface_hub'} & set(sys.modules)\n"
        "print(heavy)\n"
        "sys.exit(1 if heavy else 0)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
