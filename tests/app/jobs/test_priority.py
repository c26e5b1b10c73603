from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from headswap.app.processes.child import ChildProcess
from headswap.app.processes.environment import child_environment
from headswap.app.processes.priority import NICE

pytestmark = pytest.mark.skipif(not hasattr(os, "nice"), reason="no weights here")


def test_stepping_back_twice_is_stepping_back_once() -> None:
    words = "import os; from headswap.app.processes.priority import step_back; "
    words += "step_back(); step_back(); print(os.nice(0))"

    said = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, check=True, env=child_environment({})
    )

    assert int(said.stdout) == max(NICE, os.nice(0))


def test_what_answers_for_the_server_has_less_weight_than_the_server(tmp_path: Path) -> None:
    child = ChildProcess("tests.app.jobs.small_answers:answer", log=tmp_path / "log.txt")
    try:
        child.ask("echo hello", str)
        assert child._child is not None

        assert psutil.Process(child._child.pid).nice() == max(NICE, os.nice(0))
    finally:
        child.close()
