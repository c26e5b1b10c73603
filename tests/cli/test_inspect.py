"""`headswap inspect`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Ask = Callable[..., dict[str, Any]]


def test_inspect_says_where_the_head_is_and_how_it_is_known(answer: Ask) -> None:
    record = answer("inspect", "googlenet")

    assert record["model"] == "googlenet"
    assert record["zoo"] == "torchvision"
    assert record["heads"] == [{"path": "fc", "kind": "Linear", "in_features": 1024, "out_features": 1000}]
    assert {head["path"] for head in record["aux_heads"]} == {"aux1.fc2", "aux2.fc2"}
    assert record["input_size"] == [3, 224, 224]
    assert len(record["mean"]) == len(record["std"]) == 3
    assert record["parameters"] > 6_000_000
    assert record["evidence"]
