"""Small networks: of timm; and of one's own, always the same, that processes of a crew build by its name."""

from __future__ import annotations

import errno
import itertools
import os
import signal
from pathlib import Path

import torch
from torch import Tensor, nn

TINY, TINY_PX = "timm/test_efficientnet", 64  # norms, depthwise convolutions, a linear head
DIES_AFTER = 31  # steps of rank 1


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


def plain_network() -> nn.Module:
    """The same without dropout: several processes would draw other numbers than one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = TinyNetwork().eval()
    network.drop.p = 0.0
    return network


def dying_network() -> nn.Module:
    """The plain one, which kills the process of rank 1 in training while there is the file TINY_DIES.

    The file may say after how many steps.
    """
    network = plain_network()

    def die(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        mark = Path(os.environ.get("TINY_DIES", ""))
        seen.append(module.training)
        if not (module.training and os.environ.get("RANK") == "1" and mark.is_file()):
            return
        if sum(seen) > int(mark.read_text() or DIES_AFTER):
            mark.unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    seen: list[bool] = []
    network.register_forward_pre_hook(die)
    return network


def shut_out_network() -> nn.Module:
    """The plain one, in whose process of rank 1 the image TINY_SHUT cannot be opened."""
    read_bytes, name = Path.read_bytes, os.environ.get("TINY_SHUT")

    def read(self: Path) -> bytes:
        if self.name == name:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return read_bytes(self)

    if os.environ.get("RANK") == "1":
        Path.read_bytes = read  # type: ignore[method-assign]
    return plain_network()
