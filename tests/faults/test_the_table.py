"""docs/faults.md says for every row which tests hold it: all rows are there, and so are the tests."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = 19
ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| (.+) \|$", re.MULTILINE)
NAMED = re.compile(r"`(tests/[^`:]+\.py)::(test_\w+)`")


def rows() -> dict[int, list[tuple[str, str]]]:
    """Number of a row -> the tests that it names: (file, function)."""
    part = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8").partition("## Row by row")[2]
    return {int(number): NAMED.findall(tests) for number, _, tests in ROW.findall(part.partition("\n## ")[0])}


def functions_in(file: str) -> dict[str, list[str]]:
    """Every test function of a file, with what decorates it."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {
        node.name: [ast.unparse(one) for one in node.decorator_list]
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }


def test_every_row_is_there_and_names_its_tests() -> None:
    assert sorted(rows()) == list(range(1, ROWS + 1))
    assert all(rows().values())


@pytest.mark.parametrize("number", range(1, ROWS + 1))
def test_every_test_that_a_row_names_exists_and_is_run(number: int) -> None:
    for file, name in rows()[number]:
        assert (ROOT / file).is_file(), file
        found = functions_in(file)
        assert name in found, f"{file} has no {name}"
        assert not any("xfail" in one or "mark.skip(" in one for one in found[name]), name
