"""`python app.py` as a person or a service manager runs it: its door, its words, its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

import psutil
import pytest

from headswap.jobs.job import JobState
from headswap.jobs.store import Store
from headswap.runners.local import LocalRunner
from headswap.service.codes import add
from headswap.service.facade import Service
from headswap.service.settings import Settings
from headswap.ui.ways import API

ROOT = Path(__file__).parents[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(workspace: Path, *words: str, port: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "app.py", "--workspace", str(workspace), "--port", str(port), *words],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(condition: Callable[[], object], *, deadline_s: float = 120.0) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.1)


def health(port: int) -> dict[str, object]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            said: dict[str, object] = json.load(answer)
            return said
    except (URLError, ConnectionError, TimeoutError):
        return {}


def test_a_whole_network_without_codes_ends_with_2_and_a_sentence(tmp_path: Path) -> None:
    refused = subprocess.run(
        [sys.executable, "app.py", "--host", "0.0.0.0", "--workspace", str(tmp_path / "none")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert refused.returncode == 2
    assert refused.stderr.startswith("headswap: 0.0.0.0 opens this to a whole network")
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "none").exists()


def test_told_to_end_it_lets_its_worker_finish_a_step_and_leaves_nothing_running(
    tmp_path: Path, sample: Path
) -> None:
    workspace, port = tmp_path / "workspace", free_port()
    closed = Service(Settings(workspace=workspace, sample=sample / "train"))  # never opened: nobody works yet
    project = closed.new_project("").id
    closed.use_sample("", project)
    job = closed.start_teaching("", project)
    closed.__exit__()
    store = Store(workspace / "jobs.sqlite")
    server = start(workspace, "--for", "class", port=port)
    wait_for(lambda: store.get(job).lease > 1 or store.get(job).is_over)
    worker = store.get(job).worker
    wait_for(lambda: health(port))
    children = psutil.Process(server.pid).children(recursive=True)
    temporary = Path(json.loads((workspace / "temporary.json").read_text())["folder"])
    assert temporary.is_dir()

    looking_on = (f"{API}heartbeat/s1", f"{API}heartbeat/s2")  # two pages that are open meanwhile
    streams = [urllib.request.urlopen(f"http://127.0.0.1:{port}{way}", timeout=60) for way in looking_on]
    assert all(stream.readline() for stream in streams)

    began = time.monotonic()
    server.send_signal(signal.SIGTERM)
    said, _ = server.communicate(timeout=60)
    took_s = time.monotonic() - began

    assert server.returncode == 0, said
    assert took_s < 30, said  # 10 on a machine that does nothing else
    for stream in streams:
        stream.close()
    assert "headswap for a class, in " in said
    assert f"Open http://127.0.0.1:{port}/" in said
    assert "share=True" not in said
    found = store.get(job)
    assert found.state in (JobState.QUEUED, JobState.DONE)
    assert found.crashes == 0
    assert not worker or not LocalRunner().is_alive(worker)
    assert not psutil.wait_procs(children, timeout=10)[1]
    assert not temporary.exists()
    lines = [json.loads(line) for line in (workspace / "logs" / "server.jsonl").read_text().splitlines()]
    assert {line["job"] for line in lines if line["message"] == "given to a worker"} == {job}
    assert lines[-1]["message"] == "the server ends; workers finish their step"
    store.close()


def test_health_is_answered_beside_a_locked_door(tmp_path: Path) -> None:
    add(tmp_path / "class.json", ("ada",))
    port = free_port()
    server = start(tmp_path / "workspace", "--auth", str(tmp_path / "class.json"), port=port)
    try:
        wait_for(lambda: health(port))

        assert health(port)["well"] is True
        with pytest.raises(URLError, match="401"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/config", timeout=5)
    finally:
        server.terminate()
        server.communicate(timeout=60)
