"""`headswap models`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Ask = Callable[..., dict[str, Any]]


def test_models_lists_what_the_zoos_know(answer: Ask) -> None:
    rows = answer("models", "efficientnet_lite0")["models"]

    row = next(row for row in rows if row["name"] == "tf_efficientnet_lite0")
    assert row["zoo"] == "timm"
    assert row["parameters"] == 4_652_008
    assert row["input_size"] == [3, 224, 224]
    assert row["weights"] == "on this machine"
