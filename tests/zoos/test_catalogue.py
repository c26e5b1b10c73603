from __future__ import annotations

import builtins
import fnmatch
import io
import os
import re
import socket
from pathlib import Path

import pytest
import torch

from headswap.errors import HeadNotFound, ModelNotFound
from headswap.storage.locations import install_command
from headswap.zoos import catalogue, transformers_classes
from headswap.zoos.catalogue import (
    DEFAULT_MODEL,
    build_network,
    describe_network,
    list_networks,
    load_network,
    resolve,
)
from headswap.zoos.timm_zoo import TimmZoo
from headswap.zoos.torchvision_zoo import TorchvisionZoo
from headswap.zoos.zoo import ZooSettings

HOSTILE = (
    "hf-hub:timm/resnet50.a1_in1k",
    "hf_hub:x",
    "timm/hf-hub:timm/resnet50.a1_in1k",
    "local-dir:/etc",
    "timm/local-dir:/etc",
    "../resnet50",
    "../../etc/passwd",
    "timm/../torchvision/resnet50",
    "/etc/passwd",
    "C:\\Windows\\win.ini",
    "https://example.org/model.pth",
    "torchvision/https://example.org/model.pth",
    "google/vit-base-patch16-224",
    "transformers/google/vit-base-patch16-224",
    "resnet50\n",
    "resnet50\x00.pth",
    " resnet50",
    "RESNET50",
    "rеsnet50",  # the first e is Cyrillic
    "resnet50.no_such_tag",
    "resnet50.",
    "os:system",
    "timm/",
    "/",
    "",
    "x" * 100_000,
    "torchvision//resnet50",
    "resnet*",
    "__import__('os').system('true')",
    "\u202eresnet50",
)


def test_a_name_that_is_on_no_list_opens_no_file_and_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    list_networks()  # the libraries are imported and their lists are read

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError(f"a hostile name reached {args!r}"[:200])

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    caught: dict[str, str] = {}
    with monkeypatch.context() as files:
        for owner, name in ((builtins, "open"), (io, "open"), (os, "open"), (os, "stat"), (os, "listdir")):
            files.setattr(owner, name, refuse)
        for hostile in HOSTILE:
            for verb in (load_network, build_network, describe_network):
                try:
                    verb(hostile)
                except ModelNotFound as error:
                    caught[hostile] = str(error)

    assert list(caught) == list(HOSTILE)
    assert all(text.isprintable() and len(text) < 400 for text in caught.values())


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_is_refused_in_a_sentence(hostile: str) -> None:
    with pytest.raises(ModelNotFound, match=r"No zoo has a network called|names Python code"):
        resolve(hostile)


def test_a_misspelt_name_gets_suggestions() -> None:
    with pytest.raises(
        ModelNotFound, match=r"No zoo has a network called 'resnet5O'\. Did you mean .*resnet50"
    ):
        resolve("resnet5O")


def test_a_name_like_no_other_points_to_the_list() -> None:
    with pytest.raises(ModelNotFound, match="`headswap models` lists every name"):
        resolve("0000000000000")


def test_a_bare_name_belongs_to_the_first_zoo_and_a_prefix_picks_another() -> None:
    assert resolve("resnet50")[0].name == "torchvision"
    assert resolve("timm/resnet50")[0].name == "timm"
    assert resolve("resnet50.a1_in1k")[0].name == "timm"
    assert resolve(DEFAULT_MODEL)[0].name == "timm"


def test_python_code_runs_only_where_it_is_allowed() -> None:
    with pytest.raises(ModelNotFound, match=r"names Python code, which is not run from here"):
        resolve("torchvision.models:squeezenet1_1")

    zoo, name = resolve("torchvision.models:squeezenet1_1", ZooSettings(allow_code=True))

    assert (zoo.name, name) == ("own", "torchvision.models:squeezenet1_1")


def test_without_the_extra_the_transformers_zoo_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transformers_classes, "find_spec", lambda name: None)

    assert all(card.zoo != "transformers" for card in list_networks("ForImageClassification"))
    with pytest.raises(ModelNotFound, match=re.escape(f"`{install_command('transformers')}`")):
        resolve("transformers/ViTForImageClassification")


def test_every_card_is_listed_and_no_network_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    for layer in (torch.nn.Conv2d, torch.nn.Linear):  # no network is without both
        monkeypatch.setattr(layer, "__init__", lambda *given, **more: pytest.fail("a network is built"))

    cards = list_networks()

    assert len({card.full_name for card in cards}) == len(cards) > 1450


@pytest.mark.parametrize("pattern", ["squeezenet", "SqueezeNet", "squeezenet1_?", "torchvision/squeeze*"])
def test_a_pattern_is_a_part_of_the_name_or_a_glob(pattern: str) -> None:
    names = [card.full_name for card in list_networks(pattern)]

    assert names == ["torchvision/squeezenet1_0", "torchvision/squeezenet1_1"]


def test_the_listing_shows_what_is_on_this_machine() -> None:
    cards = {card.name: card for card in list_networks("tf_efficientnet_lite0")}

    card = cards[DEFAULT_MODEL]

    assert card.weights.text == "on this machine"
    assert card.parameters == 4_652_008
    assert card.licence == "apache-2.0"
    assert card.year is None
    assert fnmatch.fnmatch(card.weights.source, "*efficientnet-lite0-57934424.pth")


def test_an_encoder_that_cannot_have_classes_is_refused() -> None:
    with pytest.raises(HeadNotFound, match=r"mobilenetv5_300m_enc is an encoder.*that classifies pictures"):
        TimmZoo().build("mobilenetv5_300m_enc", num_classes=5, device="meta")


def test_own_weights_go_to_the_named_architecture(tmp_path: Path) -> None:
    module = TorchvisionZoo().build("squeezenet1_1", num_classes=4).module
    torch.save(module.state_dict(), tmp_path / "mine.pth")

    network = load_network("squeezenet1_1", weights=tmp_path / "mine.pth")

    assert network.card.num_classes == 4
    assert catalogue.describe_network("squeezenet1_1").num_classes == 1000
