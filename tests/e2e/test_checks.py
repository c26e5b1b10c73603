"""docs/checks.md is whole: 33 checks, each held by tests that exist, are run, and do not wait blindly."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+) \|$", re.MULTILINE)
WAITING = {"test_an_idle_page_asks_nothing_and_costs_the_server_little": 1}  # silence itself is measured


def table() -> dict[int, list[str]]:
    """Number -> the tests that hold it."""
    text = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
    return {int(number): re.findall(r"`(tests/[^`]+)`", tests) for number, _, tests in ROW.findall(text)}


def functions(file: Path) -> dict[str, ast.FunctionDef]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def names_in(node: ast.AST) -> set[str]:
    plain = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    return plain | {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}


def test_every_check_has_a_row() -> None:
    assert list(table()) == list(range(1, 34))


@pytest.mark.parametrize("number", range(1, 34))
def test_a_check_is_held_by_tests_that_exist_and_are_never_skipped(number: int) -> None:
    held_by = table()[number]
    assert held_by
    for place in held_by:
        file, _, name = place.partition("::")
        found = functions(ROOT / file)[name]
        assert not names_in(found) & {"skip", "skipif", "xfail", "importorskip"}, name
        assert any(isinstance(node, ast.Assert | ast.Raise | ast.Call) for node in ast.walk(found)), name


@pytest.mark.parametrize("file", sorted(HERE.glob("test_*.py")), ids=lambda file: file.name)
def test_nothing_waits_blindly(file: Path) -> None:
    for name, function in functions(file).items():
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
        waits = [one for one in calls if getattr(one.func, "attr", "") == "wait_for_timeout"]
        assert len(waits) == WAITING.get(name, 0), f"{name} waits a fixed time"
        sleeps = [one for one in calls if getattr(one.func, "attr", "") == "sleep"]
        loops = [node for node in ast.walk(function) if isinstance(node, ast.While)]
        assert not sleeps or loops, f"{name} sleeps without looking"
