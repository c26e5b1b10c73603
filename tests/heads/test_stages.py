"""How a body is divided into stages."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import torch
from torch import Tensor, nn

from headswap.heads.detect import find_head
from headswap.heads.stages import backbone_stages
from headswap.heads.trainable import head_parameters

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


def test_the_body_comes_as_its_stages_in_the_order_they_run() -> None:
    net = Net()
    site = find_head(net, input_size=SIZE)

    stages = backbone_stages(net, site)

    assert [stage.path for stage in stages] == ["token", "stem", "blocks.0", "blocks.1", "blocks.2"]
    assert stages[0].kind == "Parameter"
    assert stages[1].kind == "Sequential"
    heads = sum(value.numel() for value in head_parameters(net, site))
    assert sum(stage.parameters for stage in stages) + heads == sum(v.numel() for v in net.parameters())
    assert stages[-1].names == (
        "blocks.2.0.weight",
        "blocks.2.0.bias",
        "blocks.2.1.weight",
        "blocks.2.1.bias",
    )


def test_stages_come_in_the_order_they_run_and_not_as_they_are_registered() -> None:
    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.late, self.early = nn.Linear(8, 4), nn.Linear(8, 8), nn.Linear(48, 8)

        def forward(self, image: Tensor) -> Tensor:
            return self.fc(self.late(self.early(image.flatten(1)).relu()).relu())

    net = Backwards()

    stages = backbone_stages(net, find_head(net, input_size=(3, 4, 4)))

    assert [stage.path for stage in stages] == ["early", "late"]
