"""A run that decides skips nothing for missing data next to the checkout; any other run says so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def run_alone(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The tests' own conftest in a clone with nothing next to it, and one test."""
    tests = folder / "clone" / "tests"
    tests.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "conftest.py", tests)
    (tests / "test_one.py").write_text("def test_one():\n    pass\n", encoding="utf-8")
    here = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=folder / "clone",
        env={**here, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_ci_refuses_to_start_without_the_data_beside_the_checkout(tmp_path: Path) -> None:
    ended = run_alone(tmp_path, CI="true")

    assert ended.returncode == 4
    assert "CI needs what lies next to the checkout" in ended.stdout + ended.stderr
    assert "hazards/manifest.json" in ended.stdout + ended.stderr


def test_elsewhere_the_tests_run_and_say_what_was_skipped(tmp_path: Path) -> None:
    ended = run_alone(tmp_path)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Tests that read real pictures and weights were skipped" in ended.stdout


def test_a_run_of_the_tests_leaves_nothing_in_the_weights_folder_of_a_person() -> None:
    from headswap.zoos.zoo import ZooSettings

    assert any(part.startswith("headswap-tests-") for part in ZooSettings().folder.parts)
