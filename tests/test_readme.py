"""The two commands of the README, for two shells each, and that the gate runs them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGE = "pip install -r requirements.txt && python app.py"
TESTS = "pip install -r requirements.txt -r requirements-dev.txt && python -m pytest"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def for_powershell(command: str) -> str:
    """PowerShell 5.1, which Windows brings, has no `&&`."""
    first, second = command.split(" && ")
    return f"{first}; if ($?) {{ {second} }}"


def test_the_readme_has_one_command_for_the_page_and_one_for_the_tests_in_both_shells() -> None:
    installing = [block.strip() for block in blocks("sh") if "requirements" in block]

    assert installing == [PAGE, TESTS]
    assert [block.strip() for block in blocks("powershell")] == [for_powershell(PAGE), for_powershell(TESTS)]


def test_the_gate_runs_the_test_command_word_for_word() -> None:
    assert TESTS in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_files_that_the_commands_name_are_here() -> None:
    for name in ("requirements.txt", "requirements-dev.txt", "app.py", ".ci/constraints.txt", ".ci/versions"):
        assert (ROOT / name).is_file(), name
