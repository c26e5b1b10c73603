"""What libraries say of their heads, compared with what was found."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from headswap.heads.metadata import Declared, agreement, declared_by


class Net(nn.Module):
    def __init__(self, given: Any = None) -> None:
        super().__init__()
        self.body, self.head, self.head_dist = nn.Linear(4, 4), nn.Linear(4, 3), nn.Linear(4, 3)
        self.given = given

    def get_classifier(self) -> Any:
        return self.head if self.given is None else (self.head, self.head_dist)


def declared(*paths: tuple[str, ...]) -> Declared:
    return Declared(classes=None, paths=paths, text="", pretrained_without_head=False)


def test_every_source_is_told() -> None:
    net = Net()
    net.num_classes = 3  # type: ignore[assignment]
    net.pretrained_cfg = {"classifier": ("head", "head_dist"), "num_classes": 0}  # type: ignore[assignment]

    said = declared_by(net)

    assert (
        said.text
        == "Num_classes is 3; pretrained_cfg names `head`, `head_dist`; get_classifier() gives `head`."
    )
    assert said.paths == (("head", "head_dist"), ("head",))
    assert said.pretrained_without_head


def test_a_getter_may_give_several_layers() -> None:
    assert declared_by(Net(given=2)).paths == (("head", "head_dist"),)


def test_a_config_states_its_labels() -> None:
    net = nn.Linear(4, 3)
    net.config = SimpleNamespace(num_labels=3)  # type: ignore[assignment]

    assert declared_by(net).classes == 3


def test_a_getter_of_another_kind_is_no_source() -> None:
    class Other(nn.Module):
        def get_classifier(self, name: str) -> None:
            raise AssertionError

    assert declared_by(Other()).paths == ()


@pytest.mark.parametrize(
    ("sources", "found", "agrees"),
    [
        ((), ("fc",), None),
        ((("fc",),), ("fc",), True),
        ((("head",),), ("head.fc",), True),
        ((("head",),), ("head", "head_dist"), False),
        ((("head", "head_dist"),), ("head",), False),
        ((("head",), ("other",)), ("head",), False),
        ((("head",),), ("header",), False),
    ],
)
def test_agreement_is_about_exactly_the_same_layers(
    sources: tuple[tuple[str, ...], ...], found: tuple[str, ...], agrees: bool | None
) -> None:
    assert agreement(declared(*sources), found) is agrees
