"""`headswap edit` in a shell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_the_shell_changes_classes_and_says_what_is_known_now(
    bundle: Path, tmp_path: Path, answer: Callable[..., dict[str, Any]]
) -> None:
    record = answer(
        "edit", bundle, tmp_path / "b", "--merge", "bird", "fruit", "alive", "--rename", "vehicle", "machine"
    )

    assert record["classes"] == {"alive": 16, "machine": 8}
    assert record["changes"] == ["put bird and fruit together as alive", "renamed vehicle to machine"]
    assert record["advice"][0].startswith("Changed after it was taught: put bird and fruit together")
    assert (tmp_path / "b" / "seal.json").is_file()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "No change was named"),
        (("--merge", "bird"), "--merge bird does not say what becomes what"),
        (("--rename", "bird", "a", "--rename", "bird", "b"), "bird is renamed twice"),
        (("--remove", "cat"), "There is no class cat"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    words: tuple[str, ...],
    sentence: str,
    bundle: Path,
    tmp_path: Path,
    shell: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shell("edit", bundle, tmp_path / "b", *words) == 2
    assert sentence in capsys.readouterr().err


def test_a_repeated_run_keeps_what_it_kept(
    bundle: Path,
    few_drawings: Path,
    tmp_path: Path,
    shell: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shell("teach", few_drawings, "--from", bundle, "--out", tmp_path / "b", "--no-features") == 2
    assert "no other choice can be followed" in capsys.readouterr().err
