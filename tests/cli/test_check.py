"""`headswap check`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Ask = Callable[..., dict[str, Any]]


def test_check_counts_classes_and_names_problems(few_drawings: Path, answer: Ask) -> None:
    broken = few_drawings / "bird" / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n nothing")

    try:
        record = answer("check", few_drawings)
    finally:
        broken.unlink()

    assert record["classes"] == {"bird": 8, "fruit": 8, "vehicle": 8}
    assert [problem["file"] for problem in record["problems"]] == ["bird/broken.png"]
    assert record["problems"][0]["reason"]
    assert record["warnings"]
