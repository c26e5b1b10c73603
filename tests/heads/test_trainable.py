"""What may learn, and what stays still."""

from __future__ import annotations

import copy
from collections import namedtuple
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from headswap.heads.detect import find_head
from headswap.heads.trainable import freeze_backbone, head_parameters, keep_frozen_norms_in_eval

SIZE = (3, 16, 16)
Answers = namedtuple("Answers", ["logits", "aux"])


class Net(nn.Module):
    """A body of two blocks in a list, a head with a norm after it, and an auxiliary head."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU())
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()) for _ in range(3)
        )
        self.token = nn.Parameter(torch.zeros(8))
        self.fc, self.norm, self.aux = nn.Linear(8, 6), nn.BatchNorm1d(6, affine=False), nn.Linear(8, 6)

    def forward(self, image: Tensor) -> Any:
        features = self.stem(image)
        for block in self.blocks:
            features = features + block(features)
        features = features.mean((2, 3)) + self.token
        logits = self.norm(self.fc(features))
        return Answers(logits, self.aux(features)) if self.training else logits


def test_the_heads_parameters_are_those_of_heads_tails_and_auxiliary_heads() -> None:
    net = Net()
    site = find_head(net, input_size=SIZE)

    learning = head_parameters(net, site)

    assert [id(value) for value in learning] == [
        id(value) for value in (net.fc.weight, net.fc.bias, net.aux.weight, net.aux.bias)
    ]


def test_within_the_block_only_the_head_learns_and_the_body_stays_still() -> None:
    net = Net()
    net.token.requires_grad_(False)
    site = find_head(net, input_size=SIZE)
    statistics = net.stem[1].running_mean.clone()
    flags = {name: value.requires_grad for name, value in net.named_parameters()}

    with freeze_backbone(net, site) as learning:
        for _ in range(2):
            net.train()
            net(torch.rand(4, *SIZE))
        assert {id(value) for value in net.parameters() if value.requires_grad} == {id(v) for v in learning}
        assert not net.stem[1].training

    assert net.stem[1].running_mean.equal(statistics)
    assert flags == {name: value.requires_grad for name, value in net.named_parameters()}
    assert net.train().stem[1].training


def test_flags_come_back_even_when_teaching_breaks_off() -> None:
    net = Net()
    site = find_head(net, input_size=SIZE)

    with pytest.raises(KeyboardInterrupt), freeze_backbone(net, site):
        raise KeyboardInterrupt

    assert all(value.requires_grad for value in net.parameters())
    assert "train" not in vars(net)


def test_frozen_norms_stay_in_eval_through_every_train_and_others_do_not() -> None:
    net = Net()
    net.stem.requires_grad_(False)
    net.eval()

    release = keep_frozen_norms_in_eval(net.train())

    net.train()
    assert not net.stem[1].training
    assert net.blocks[0][1].training
    release()
    assert net.train().stem[1].training


def test_a_norm_of_the_head_is_never_held_still() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 4), nn.BatchNorm1d(4))
    site = find_head(net, input_size=(3, 4, 4))

    with freeze_backbone(net, site):
        assert net.train()[2].training


def test_a_copy_holds_its_own_norms_still() -> None:
    net = Net()
    net.stem.requires_grad_(False)
    keep_frozen_norms_in_eval(net)

    twin = copy.deepcopy(net)
    net.eval()
    twin.train()

    assert not twin.stem[1].training
    assert twin.blocks[0][1].training
    assert not net.blocks[0][1].training
