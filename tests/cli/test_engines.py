"""`headswap engines`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Ask = Callable[..., dict[str, Any]]


def test_the_fastest_engine_is_one_of_those_measured(answer: Ask) -> None:
    record = answer("engines", "tf_efficientnet_lite0")

    times = record["milliseconds"]
    assert record["fastest"] == min(times, key=times.__getitem__)
    assert "torch-cpu" in " ".join(times) or "torch-cuda" in " ".join(times)
