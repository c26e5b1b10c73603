"""What a network says of its class count stays true."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from headswap.heads.build import Edits
from headswap.heads.class_counts import follow_counts
from headswap.heads.plan import HeadModule, HeadPlan


def plan(classes: int = 10) -> HeadPlan:
    head = HeadModule(path="fc", kind="Linear", part="head", in_features=10, classes=classes, resizes=())
    return HeadPlan(head_modules=(head,))


def network(**attributes: Any) -> nn.Module:
    net = nn.Module()
    net.fc = nn.Linear(10, 10)
    for name, value in attributes.items():
        setattr(net, name, value)
    return net


@pytest.mark.parametrize(
    "name", ["num_classes", "n_classes", "nb_classes", "num_labels", "nclass", "classes", "n_cls"]
)
def test_every_usual_name_of_a_class_count_follows(name: str) -> None:
    net, edits = network(**{name: 10}), Edits()

    follow_counts(net, plan(), 4, False, edits.put)

    assert getattr(net, name) == 4
    edits.revert()
    assert getattr(net, name) == 10


@pytest.mark.parametrize(
    ("name", "value"), [("embed_dim", 10), ("num_classes", 1000), ("num_classes", None), ("classes", True)]
)
def test_other_numbers_stay(name: str, value: object) -> None:
    net = network(**{name: value})

    follow_counts(net, plan(), 4, False, Edits().put)

    assert getattr(net, name) is value


def test_the_layers_output_side_follows_and_its_input_side_stays() -> None:
    net = network()

    follow_counts(net, plan(), 4, False, Edits().put)

    assert (net.fc.in_features, net.fc.out_features) == (10, 4)


def test_numbers_of_any_name_follow_when_asked_but_never_the_input_side() -> None:
    net = network(kinds=10, in_width=10, groups=10)

    follow_counts(net, plan(), 4, True, Edits().put)

    assert (net.kinds, net.in_width, net.groups, net.fc.in_features) == (4, 10, 10, 10)


def test_a_configs_label_names_follow() -> None:
    labels = {number: f"name {number}" for number in range(10)}
    config = SimpleNamespace(id2label=labels, label2id={}, problem_type="regression")
    net, edits = network(config=config), Edits()

    follow_counts(net, plan(), 2, False, edits.put)

    assert config.id2label == {0: "LABEL_0", 1: "LABEL_1"}
    assert config.label2id == {"LABEL_0": 0, "LABEL_1": 1}
    assert config.problem_type is None
    edits.revert()
    assert config.id2label is labels
