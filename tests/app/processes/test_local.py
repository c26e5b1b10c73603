from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from headswap.app.processes import local
from headswap.app.processes.local import LocalRunner, this_process

SLEEPER = (sys.executable, "-c", "import time; time.sleep(600)")


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_this_process_is_alive_by_its_own_handle() -> None:
    assert LocalRunner().is_alive(this_process())


def test_another_process_with_the_same_number_is_not_the_one() -> None:
    pid, _, birth = this_process().partition(":")

    assert not LocalRunner().is_alive(f"{pid}:{birth}0")


def test_a_stop_never_reaches_another_process_with_the_same_number() -> None:
    bystander = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True
    )
    try:
        LocalRunner().stop(f"{bystander.pid}:an earlier birth", force=True)

        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_an_ended_command_leaves_no_zombie(tmp_path: Path) -> None:
    runner = LocalRunner()
    handles = [
        runner.start([sys.executable, "-c", "pass"], log=tmp_path / "log", environment={}) for _ in range(3)
    ]
    pids = {int(handle.partition(":")[0]) for handle in handles}

    wait_for(lambda: not pids & {child.pid for child in psutil.Process().children()})


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system records the birth once")
def test_setting_the_clock_does_not_change_a_handle(monkeypatch: pytest.MonkeyPatch) -> None:
    before = this_process()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr(psutil, "boot_time", lambda: 86_400.0)

    assert this_process() == before


@pytest.mark.skipif(os.name == "nt", reason="process groups are of POSIX")
def test_a_command_leads_a_group_of_its_own(tmp_path: Path) -> None:
    runner = LocalRunner()
    handle = runner.start(
        [sys.executable, "-c", "import time; time.sleep(600)"], log=tmp_path / "log", environment={}
    )
    pid = int(handle.partition(":")[0])

    assert os.getpgid(pid) == pid != os.getpgid(0)

    runner.stop(handle, force=True)


def test_a_process_that_may_not_be_looked_at_is_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    handle = this_process()
    monkeypatch.setattr(sys, "platform", "somewhere")

    def refuse(self: psutil.Process) -> float:
        raise psutil.AccessDenied(self.pid)

    monkeypatch.setattr(psutil.Process, "create_time", refuse)
    monkeypatch.setattr(psutil.Process, "status", refuse)

    assert not LocalRunner().is_alive(handle)
    LocalRunner().stop(handle, force=True)


def test_windows_asks_nobody_and_by_force_ends_a_process_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True); child.wait()"
    )
    runner = LocalRunner()
    handle = runner.start([sys.executable, "-c", code], log=tmp_path / "log", environment={})
    wait_for(lambda: (tmp_path / "log").read_text().endswith("\n"))
    child = psutil.Process(int((tmp_path / "log").read_text()))
    monkeypatch.setattr(local, "os", SimpleNamespace(name="nt", getpid=os.getpid))

    runner.stop(handle, force=False)
    survived = runner.is_alive(handle)
    runner.stop(handle, force=True)

    assert survived
    wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    wait_for(lambda: not runner.is_alive(handle))


def test_elsewhere_than_linux_the_birth_is_what_the_system_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "somewhere")

    handle = this_process()

    assert LocalRunner().is_alive(handle)
    assert not LocalRunner().is_alive("999999999:1.000")
