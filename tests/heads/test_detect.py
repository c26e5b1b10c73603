"""What `find_head` tells people, and that it knows no architecture by name."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from headswap.errors import HeadNotFound
from headswap.heads.detect import find_head

SOURCES = sorted((Path(__file__).parents[2] / "headswap" / "heads").glob("*.py"))
FAMILIES = (
    *("resnet", "resnext", "vgg", "alexnet", "densenet", "inception", "googlenet", "squeezenet", "mobilenet"),
    *(
        "efficientnet",
        "efficientvit",
        "convnext",
        "regnet",
        "swin",
        "deit",
        "vit",
        "volo",
        "levit",
        "crossvit",
    ),
    *("maxvit", "mnasnet", "shufflenet", "beit", "dino", "siglip", "perceiver", "pplcnet", "iformer", "coat"),
)


class Net(nn.Module):
    """A stem, a wide layer that is not the head, and a head."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.hidden = nn.Linear(8, classes)
        self.back = nn.Linear(classes, 8)
        self.fc = nn.Linear(8, classes)
        self.unused = nn.Linear(8, 4)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features = self.stem(image).relu().mean((2, 3))
        return self.fc(self.back(self.hidden(features).relu()))


def strings_in_code(source: str) -> list[str]:
    """Every string and name of a module that is not a docstring."""
    tree = ast.parse(source)
    docs = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and isinstance(node.body[0], ast.Expr)
        and ast.get_docstring(node) is not None
    }
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in docs]
    names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    attributes = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return [text for text in (*texts, *names, *attributes) if isinstance(text, str)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_architecture_is_known_by_name(path: Path) -> None:
    words = {
        word for text in strings_in_code(path.read_text()) for word in re.findall(r"[a-z]+", text.lower())
    }

    assert not {word for word in words for family in FAMILIES if word.startswith(family)}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_library_of_networks_is_imported(path: Path) -> None:
    imports = re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(), flags=re.MULTILINE)

    assert not {"timm", "torchvision", "transformers"} & set(imports)


def test_the_evidence_tells_the_search_in_sentences() -> None:
    site = find_head(Net(), input_size=(3, 16, 16))

    assert site.evidence == (
        "A picture of 3×16×16 went through the network as shapes only, without computing.",
        "The network answers each picture with 10 numbers.",
        "Going back from the answer, the first layer with one row of weights per class is "
        "`fc` (Linear, 8 → 10).",
    )


def test_other_layers_are_named_with_the_reason_they_lost() -> None:
    site = find_head(Net(), input_size=(3, 16, 16))

    reasons = {candidate.path: candidate.reason for candidate in site.candidates}
    assert reasons["unused"] == "It plays no part in the answer."
    assert reasons["hidden"].startswith("It is as wide as the answer, but belongs to the body")
    assert reasons["back"].startswith("It is as wide as the answer, but belongs to the body")
    assert {candidate.path: candidate.shape for candidate in site.candidates}["hidden"] == (10, 8)


def test_what_the_library_says_is_compared_with_what_was_found() -> None:
    net = Net()

    assert find_head(net, input_size=(3, 16, 16)).metadata_agrees is True

    net.pretrained_cfg = {"classifier": "hidden", "input_size": (3, 16, 16)}  # type: ignore[assignment]
    site = find_head(net)
    assert site.metadata_agrees is False
    assert site.metadata == "Pretrained_cfg names `hidden`."
    assert site.paths == ("fc",)


def test_a_network_that_says_nothing_is_neither_agreed_with_nor_not() -> None:
    site = find_head(nn.Sequential(nn.Flatten(), nn.Linear(48, 5)), input_size=(3, 4, 4))

    assert (site.metadata, site.metadata_agrees) == ("", None)


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        (nn.Identity(), "logits"),
        (nn.Softmax(1), "probabilities"),
        (nn.LogSoftmax(1), "log-probabilities"),
        (nn.Sigmoid(), "independent probabilities"),
    ],
)
def test_what_the_numbers_are_is_told(last: nn.Module, kind: str) -> None:
    site = find_head(nn.Sequential(nn.Flatten(), nn.Linear(48, 5), last), input_size=(3, 4, 4))

    assert site.answer_kind == kind


def test_a_size_it_does_not_take_is_refused_with_the_networks_own_words() -> None:
    with pytest.raises(HeadNotFound, match=r"does not run on a picture of 3×8×8: .*Give the input_size"):
        find_head(nn.Sequential(nn.Flatten(), nn.Linear(48, 5)), input_size=(3, 8, 8))


def test_a_network_that_takes_no_image_at_all_says_so() -> None:
    class Texts(nn.Module):
        def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return tokens

    with pytest.raises(HeadNotFound, match=r"on a picture of any common size.*Give input_size"):
        find_head(Texts())
