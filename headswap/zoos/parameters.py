"""How many numbers a network has: measured once for every architecture, counted live for others.

Flow:  zoo + name --measured--> int | None        module --count--> int

`measured.json` is written by benchmarks/measure_parameters.py; it only saves time, and a
test compares a part of it with networks that are really built.

Loads no torch.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def measured(zoo: str, name: str) -> int | None:
    """The number measured before, of the network as `build` gives it."""
    return _table().get(f"{zoo}/{name}")


def named(name: str) -> int | None:
    """The same for a name as people give it, by the table alone: no zoo is opened, no library imported.

    With a zoo or without, with a tag behind it or without; of one name in several zoos the largest.
    """
    zoo, slash, own = name.rpartition("/")
    bare = own.partition(".")[0]
    found = [number for full, number in _table().items() if full.partition("/")[2] in (own, bare)]
    return measured(zoo, own) or measured(zoo, bare) if slash else max(found, default=None)


def count(module: nn.Module) -> int:
    """Every number that could be trained, the head included; shared ones once."""
    return sum(parameter.numel() for parameter in module.parameters())


@cache
def _table() -> dict[str, int]:
    path = files("headswap.zoos").joinpath("measured.json")
    if not path.is_file():
        return {}
    return {
        name: int(number)
        for name, number in json.loads(path.read_text(encoding="utf-8"))["parameters"].items()
    }
