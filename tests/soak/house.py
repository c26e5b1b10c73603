"""A whole server in a process of its own: `python app.py`, started, killed and looked at.

Used by the trials that need the real page. Ends only what it started.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.error import URLError

from tests.ports import free_port
from tests.soak.patience import wait_for

ROOT = Path(__file__).parents[2]
START_S = 600.0  # a busy machine imports slowly; how long it took is told


class House:
    """One app on one port; may be killed and started again over the same workspace."""

    def __init__(self, workspace: Path, *options: str) -> None:
        workspace.mkdir(parents=True, exist_ok=True)
        self.workspace, self._options = workspace, options
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> float:
        """Start, wait for the page; returns how many seconds that took."""
        command = [sys.executable, "app.py", "--no-browser", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workspace", str(self.workspace), *self._options]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
        begin = time.monotonic()
        with (self.workspace / "app.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        if not wait_for(self.answers, deadline_s=START_S):
            raise RuntimeError(f"no page within {START_S:.0f} s:\n{self.log()[-2000:]}")
        return time.monotonic() - begin

    def answers(self) -> bool:
        """Whether the page is there now."""
        try:
            with urllib.request.urlopen(self.url, timeout=60) as reply:
                return bool(reply.status == 200)
        except (URLError, ConnectionError, TimeoutError):
            return False

    def kill(self) -> None:
        """As if someone pulled the plug of this one process."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        """Politely; by force after some minutes."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=600)
        except subprocess.TimeoutExpired:
            self.kill()

    def heavy(self) -> list[str]:
        """Libraries of networks that the server's own process holds: there should be none."""
        if self.process is None:
            return []
        maps = Path(f"/proc/{self.process.pid}/maps").read_text()
        return [name for name in ("libtorch", "onnxruntime", "openvino") if name in maps]

    def log(self) -> str:
        """What it said."""
        return (self.workspace / "app.log").read_text(errors="replace")


def some_drawings(folder: Path, *, each: int = 6, classes: tuple[str, ...] = ("bird", "vehicle")) -> Path:
    """Class folders with a few of the sample drawings."""
    for name in classes:
        (folder / name).mkdir(parents=True)
        for image in sorted((ROOT / "assets" / "sample" / "train" / name).iterdir())[:each]:
            shutil.copy(image, folder / name)
    return folder


def new_key() -> str:
    """For one start."""
    return secrets.token_hex(8)
