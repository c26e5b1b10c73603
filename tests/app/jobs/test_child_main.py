from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headswap.app.processes.environment import child_environment, python_command
from headswap.app.processes.messages import READY, ChildReply, read_message, write_message


def start(tmp_path: Path) -> Any:
    with (tmp_path / "log").open("ab") as log:
        return subprocess.Popen(
            [*python_command("headswap.app.processes.child_main"), "small_answers:answer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=child_environment({"PYTHONPATH": str(Path(__file__).parent)}),
        )


def test_a_clerk_says_when_it_is_ready_then_answers(tmp_path: Path) -> None:
    with start(tmp_path) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert read_message(child.stdout, ChildReply) == READY
        write_message(child.stdin, "echo yes")
        assert read_message(child.stdout, ChildReply) == ChildReply()
        assert read_message(child.stdout, str) == "yes"


def test_a_clerk_ends_at_once_when_its_server_is_gone_even_at_work(tmp_path: Path) -> None:
    with start(tmp_path) as child:
        assert child.stdin is not None
        write_message(child.stdin, f"sleep {tmp_path / 'asleep'}")
        child.stdin.close()

        assert child.wait(timeout=600) == 0


@pytest.mark.skipif(os.name == "nt", reason="killed by signals of POSIX")
def test_a_clerk_ends_when_its_server_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from headswap.app.processes.child import ChildProcess\n"
        "child = ChildProcess('small_answers:answer')\n"
        "print(child.ask('pid', str), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = child_environment({"PYTHONPATH": str(Path(__file__).parent)})
    server = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    pid = int(server.stdout)

    import psutil

    if psutil.pid_exists(pid):
        gone, alive = psutil.wait_procs([psutil.Process(pid)], timeout=600)
        assert not [child for child in alive if child.status() != psutil.STATUS_ZOMBIE], gone
