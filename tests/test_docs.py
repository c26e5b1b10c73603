"""The documents: the site builds without a warning, names every public function, and its examples run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import headswap

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "docs" / "guide" / "python.md"


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}

    built = subprocess.run(
        [*command, "--site-dir", str(tmp_path / "site")],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (built.returncode, built.stderr) == (0, "")
    api = (tmp_path / "site" / "api" / "index.html").read_text(encoding="utf-8")
    assert "Raises" in api  # the docstrings are in it


def test_every_public_name_is_documented_at_its_home() -> None:
    named = re.findall(
        r"^::: ([\w.]+)$", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    homes = {
        f"{headswap._HOMES.get(name, 'headswap.errors')}.{name}"
        for name in headswap.__all__
        if name != "teach"
    }

    assert sorted(named) == sorted(homes)


@pytest.mark.slow  # trains once
def test_the_examples_of_the_guide_run_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    examples = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    program = f"for example in {examples!r}:\n    exec(compile(example, example, 'exec'), {{}})"

    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stderr
    assert len(examples) >= 5
