"""Run workers as processes of this machine.

A handle is `pid:birth`. The birth is what tells a process from a later one with the
same number: on Linux the boot and the ticks since it (a wall-clock birth time would
move when the clock is set), elsewhere the creation time that the system recorded.

Every process leads a group of its own: a Ctrl-C or the death of the server does not
reach it, and a forced stop ends its children too.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from headswap.app.processes.environment import apart_from_the_server, child_environment


class LocalRunner:
    """A `Runner` on this machine. Holds no state: a new one knows every old handle."""

    def start(self, command: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> str:
        """See `Runner.start`."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as sink:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=child_environment(environment),
                **apart_from_the_server(),
            )
        handle = f"{process.pid}:{_birth(process.pid)}"
        # Waiting is what removes a dead child from the process table.
        threading.Thread(target=process.wait, name=f"wait-{process.pid}", daemon=True).start()
        return handle

    def is_alive(self, handle: str) -> bool:
        """See `Runner.is_alive`."""
        pid, birth = _read(handle)
        return pid > 0 and bool(birth) and _birth(pid) == birth

    def stop(self, handle: str, *, force: bool) -> None:
        """See `Runner.stop`."""
        if not self.is_alive(handle):
            return
        pid, _ = _read(handle)
        if os.name != "nt":
            _stop_by_signal(pid, force=force)
        elif force:
            _end_on_windows(pid)

    def taken_bytes(self, handle: str) -> int:
        """See `Runner.taken_bytes`."""
        import psutil

        if not self.is_alive(handle):
            return 0
        try:
            process = psutil.Process(_read(handle)[0])
            family = (process, *process.children(recursive=True))
            return sum(int(member.memory_info().rss) for member in family)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return 0


def this_process() -> str:
    """The handle of the calling process, as the local runner would give it."""
    return f"{os.getpid()}:{_birth(os.getpid())}"


def _read(handle: str) -> tuple[int, str]:
    number, _, birth = handle.partition(":")
    return (int(number) if number.isdecimal() else 0), birth


def _birth(pid: int) -> str:
    """What no later process of the same number shares; empty when dead (a zombie is dead)."""
    return _birth_on_linux(pid) if sys.platform == "linux" else _birth_elsewhere(pid)


def _birth_on_linux(pid: int) -> str:
    try:
        line = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8")[:8]
    except (FileNotFoundError, ProcessLookupError):
        return ""
    fields = line.rpartition(")")[2].split()  # the name before it may hold anything; see proc(5)
    state, start_ticks = fields[0], fields[19]
    return "" if state in "ZX" else f"{boot}-{start_ticks}"


def _birth_elsewhere(pid: int) -> str:
    import psutil

    try:
        process = psutil.Process(pid)
        dead = process.status() == psutil.STATUS_ZOMBIE
        return "" if dead else f"{process.create_time():.3f}"
    except psutil.Error:  # gone; or another person's, for whom access is denied: not a process of ours
        return ""


def _stop_by_signal(pid: int, *, force: bool) -> None:
    try:
        if force and sys.platform != "win32":
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGTERM)  # to the leader alone: it stops its own children in order
    except (ProcessLookupError, PermissionError):  # it ended meanwhile; macOS denies access to what has ended
        return


def _end_on_windows(pid: int) -> None:
    """The process and all it started; none is asked before.

    A CTRL_BREAK reaches only processes of the caller's own console. A worker has none, and sending it all the
    same fails with error 87 or, inside Python, as a SystemError.
    """
    import psutil

    with suppress(psutil.Error):  # it ended meanwhile, or is ending: Windows then refuses access
        process = psutil.Process(pid)
        for member in (*process.children(recursive=True), process):
            with suppress(psutil.Error):
                member.kill()
