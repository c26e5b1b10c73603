from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from headswap.errors import BadSetting, WeightsDamaged
from headswap.events import silent
from headswap.network import Network
from headswap.zoos.catalogue import load_network, resolve
from headswap.zoos.own import OwnZoo, load_own_weights
from headswap.zoos.timm_zoo import TimmZoo
from headswap.zoos.torchvision_zoo import TorchvisionZoo
from headswap.zoos.transformers_zoo import TransformersZoo
from headswap.zoos.zoo import Zoo, ZooSettings

CODE = ZooSettings(allow_code=True)


def _zoo(name: str) -> Zoo:
    zoos: dict[str, Zoo] = {"torchvision": TorchvisionZoo(), "timm": TimmZoo()}
    return zoos[name]


@pytest.mark.parametrize(
    ("zoo", "name", "classes"),
    [
        ("torchvision", "squeezenet1_1", 1),
        ("torchvision", "mobilenet_v3_small", 2),
        ("timm", "test_resnet", 1),
        ("timm", "test_vit", 37),
        ("timm", "levit_128s", 2),
        ("timm", "deit_tiny_distilled_patch16_224", 37),
        ("timm", "vit_small_patch16_dinov3", 2),
    ],
)
def test_the_class_count_is_read_from_the_file(zoo: str, name: str, classes: int, tmp_path: Path) -> None:
    if not _zoo(zoo).knows(name):
        pytest.skip(f"this version of {zoo} has no {name}")
    torch.manual_seed(classes)
    state = _zoo(zoo).build(name, num_classes=classes).module.state_dict()
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, tmp_path / "own.pth")

    network = load_network(f"{zoo}/{name}", weights=tmp_path / "own.pth")

    assert network.card.num_classes == classes
    assert network.card.weights.source == str(tmp_path / "own.pth")
    assert network.card.licence is None
    assert network.class_names == ()
    assert all(torch.equal(value, state[key]) for key, value in network.module.state_dict().items())


@pytest.mark.parametrize("name", ["googlenet", pytest.param("inception_v3", marks=pytest.mark.thorough)])
@pytest.mark.parametrize("with_aux", [True, False])
def test_auxiliary_heads_are_kept_only_if_the_file_has_them(
    name: str, with_aux: bool, tmp_path: Path
) -> None:
    shapes = TorchvisionZoo().build(name, num_classes=3, device="meta").module.state_dict()
    state = {key: torch.zeros(value.shape, dtype=value.dtype) for key, value in shapes.items()}
    kept = {key: value for key, value in state.items() if with_aux or not key.lower().startswith("aux")}
    torch.save(kept, tmp_path / "own.pth")

    network = load_own_weights(TorchvisionZoo(), name, tmp_path / "own.pth")

    aux = [key for key in network.module.state_dict() if key.lower().startswith("aux")]
    assert network.card.num_classes == 3
    assert bool(aux) == with_aux
    again = TorchvisionZoo().build(name, num_classes=3, variant=network.card.variant, device="meta")
    assert again.module.state_dict().keys() == network.module.state_dict().keys()


def test_real_weights_from_a_file_of_ones_own_give_the_same_network(squeezenet_file: Path) -> None:
    network = load_network("squeezenet1_1", weights=squeezenet_file)

    assert network.card.num_classes == 1000
    assert len(network.weights_sha256) == 64
    assert network.card.input == TorchvisionZoo().describe("squeezenet1_1").input


def test_a_file_of_another_architecture_is_refused_with_names(squeezenet_file: Path) -> None:
    with pytest.raises(WeightsDamaged, match=r"has no head for resnet18: it lacks fc\.weight"):
        load_network("resnet18", weights=squeezenet_file)
    with pytest.raises(WeightsDamaged, match=r"does not fit squeezenet1_0: .*Choose the architecture"):
        load_network("squeezenet1_0", weights=squeezenet_file)


def test_a_file_without_its_head_is_never_completed_with_random_numbers(tmp_path: Path) -> None:
    state = TimmZoo().build("test_resnet").module.state_dict()
    save_file(
        {key: value for key, value in state.items() if not key.startswith("fc.")},
        tmp_path / "body.safetensors",
    )

    with pytest.raises(
        WeightsDamaged, match=r"has no head for test_resnet: it lacks fc\.weight.*holds the head too"
    ):
        load_network("test_resnet", weights=tmp_path / "body.safetensors")


def test_two_heads_that_disagree_are_refused(tmp_path: Path) -> None:
    state = TimmZoo().build("levit_128s", num_classes=4).module.state_dict()
    other = TimmZoo().build("levit_128s", num_classes=5).module.state_dict()
    mixed = {key: other[key] if key.startswith("head_dist") else value for key, value in state.items()}
    torch.save(mixed, tmp_path / "mixed.pth")

    with pytest.raises(WeightsDamaged, match=r"different numbers of classes.*head\.linear\.weight: 4"):
        load_network("levit_128s", weights=tmp_path / "mixed.pth")


def test_an_absurd_number_of_classes_does_not_fill_the_memory(tmp_path: Path) -> None:
    state = TimmZoo().build("test_resnet").module.state_dict()
    width = state["fc.weight"].shape[1]
    state["fc.weight"] = torch.zeros(1, 1).expand(10**12, width)
    torch.save(state, tmp_path / "huge.pth")

    with pytest.raises(
        WeightsDamaged, match=r"huge\.pth does not fit test_resnet: fc\.weight is \(1000000000000"
    ):
        load_network("test_resnet", weights=tmp_path / "huge.pth")


@pytest.fixture
def factories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "my_factories.py").write_text(
        "from torch import nn\n"
        "from headswap.network import InputSpec, Network, NetworkCard, Weights\n"
        "def plain(): return nn.Sequential(nn.Flatten(), nn.Linear(3, 2))\n"
        "def chosen(num_classes=2): return nn.Linear(3, num_classes)\n"
        "def whole():\n"
        "    spec = InputSpec(height=8, width=8)\n"
        "    card = NetworkCard(name='x', zoo='y', input=spec, weights=Weights(state='here'))\n"
        "    return Network(card=card, module=plain(), class_names=('a', 'b'))\n"
        "def wrong(): return 7\n"
        "number = 7\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "my_factories"
    sys.modules.pop("my_factories", None)


def test_a_factory_of_ones_own_is_called(factories: str) -> None:
    network = load_network(f"{factories}:plain", settings=CODE)

    assert isinstance(network, Network)
    assert network.card.full_name == "own/my_factories:plain"
    assert network.card.parameters == 8
    assert not network.module.training


def test_a_factory_may_say_how_images_are_prepared(factories: str) -> None:
    network = OwnZoo(CODE).load(f"{factories}:whole", silent)

    assert network.input.size == (3, 8, 8)
    assert network.class_names == ("a", "b")


def test_a_factory_may_take_the_number_of_classes(factories: str) -> None:
    zoo = OwnZoo(CODE)

    assert zoo.build(f"{factories}:chosen", num_classes=5).module.out_features == 5
    with pytest.raises(BadSetting, match="takes no number of classes"):
        zoo.build(f"{factories}:plain", num_classes=5)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("my_factories:gone", r"Python cannot find my_factories:gone.*PYTHONPATH"),
        ("no_such_package_at_all:f", r"Python cannot find no_such_package_at_all:f"),
        ("my_factories:wrong", r"my_factories:wrong returned int\. Let it return a torch\.nn\.Module"),
        ("my_factories:number", r"my_factories:number is not a function"),
    ],
)
def test_a_factory_that_cannot_be_used_says_why(factories: str, name: str, sentence: str) -> None:
    with pytest.raises(BadSetting, match=sentence):
        OwnZoo(CODE).build(name)


def test_the_weights_of_a_factorys_network_may_come_from_a_file(factories: str, tmp_path: Path) -> None:
    state = {"1.weight": torch.ones(2, 3), "1.bias": torch.ones(2)}
    torch.save(state, tmp_path / "w.pt")

    network = load_network(f"{factories}:plain", weights=tmp_path / "w.pt", settings=CODE)

    assert torch.equal(network.module[1].weight, state["1.weight"])


@pytest.mark.parametrize("name", ["my.networks:small", "own/my.networks:small"])
def test_no_library_is_loaded_to_ask_for_a_name_of_python_code(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(self: Zoo, name: str) -> bool:
        raise AssertionError(f"{self.name} was asked for {name}")

    for library in (TorchvisionZoo, TimmZoo, TransformersZoo):
        monkeypatch.setattr(library, "knows", loaded)

    zoo, bare = resolve(name, CODE)

    assert (zoo.name, bare) == ("own", "my.networks:small")
