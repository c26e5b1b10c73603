"""Tensors are found in whatever wraps them."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from headswap.heads.outputs import named_tensors

Pair = namedtuple("Pair", ["first", "second"])
A, B = torch.zeros(1), torch.ones(1)


@dataclass(eq=False)
class Record:
    logits: Tensor
    note: str = "no tensor"


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        (A, [""]),
        ((A, B), ["0", "1"]),
        ([A, None, B], ["0", "2"]),
        ({"logits": A, "loss": None}, ["logits"]),
        (OrderedDict(b=A, a=B), ["b", "a"]),
        (Pair(A, (B,)), ["first", "second.0"]),
        (Record(A), ["logits"]),
        ({"heads": [A, {"x": B}]}, ["heads.0", "heads.1.x"]),
        ("nothing", []),
        (None, []),
    ],
)
def test_every_tensor_is_named_by_its_place(answer: Any, names: list[str]) -> None:
    assert [name for name, _ in named_tensors(answer)] == names
