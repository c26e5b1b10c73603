"""A small network of one's own, always the same, that the processes of a crew can build by its name."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn


class TinyNetwork(nn.Module):
    """Three blocks with norms, and a head."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 8, 12, 12)
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(width, wider, 3, stride=2, padding=1), nn.BatchNorm2d(wider), nn.ReLU()
                )
                for width, wider in itertools.pairwise(widths)
            )
        )
        self.drop, self.fc = nn.Dropout(0.1), nn.Linear(12, 7)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.drop(self.blocks(x).mean((2, 3))))


def tiny_network() -> nn.Module:
    """The same weights each time; whatever is drawn next is not touched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return TinyNetwork().eval()
