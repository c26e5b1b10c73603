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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError

import psutil
import pytest

from headswap.app import serve as serving
from headswap.app.jobs.job import JobState
from headswap.app.jobs.store import Store
from headswap.app.processes.local import LocalRunner
from headswap.app.service.accounts import add
from headswap.app.service.service import Service
from headswap.app.service.settings import Settings
from headswap.app.ui.gateway.routes import API
from headswap.cli.main import main
from tests.ports import free_port

ROOT = Path(__file__).parents[1]
ELSEWHERE = ("CI", "SSH_CONNECTION", "SSH_TTY", "DISPLAY", "WAYLAND_DISPLAY")  # of anyone who runs the tests


def start(workspace: Path, *words: str, port: int, **environment: str) -> subprocess.Popen[str]:
    here = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    return subprocess.Popen(
        [sys.executable, "app.py", "--workspace", str(workspace), "--port", str(port), *words],
        cwd=ROOT,
        env={**here, "BROWSER": "false", "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(condition: Callable[[], object], *, deadline_s: float = 900.0) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.1)


def health(port: int) -> dict[str, object]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=300) as answer:
            said: dict[str, object] = json.load(answer)
            return said
    except (URLError, ConnectionError, TimeoutError):
        return {}


def refused(*words: str) -> str:
    """What the app says on stderr when it does not even begin."""
    ended = subprocess.run(
        [sys.executable, "app.py", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2, ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
    assert ended.stdout == ""
    return ended.stderr


def test_a_whole_network_without_codes_ends_with_2_and_a_sentence(tmp_path: Path) -> None:
    said = refused("--host", "0.0.0.0", "--workspace", str(tmp_path / "none"))

    assert said.startswith("headswap: 0.0.0.0 opens this to a whole network")
    assert not (tmp_path / "none").exists()


def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        said = refused("--port", str(port), "--workspace", str(tmp_path / "none"))

    assert said.startswith(
        f"headswap: The page cannot be served at port {port} of 127.0.0.1: address already"
    )
    assert "Choose another --port" in said
    assert not (tmp_path / "none").exists()


def test_an_address_of_another_machine_is_one_sentence(tmp_path: Path) -> None:
    add(tmp_path / "class.json", ("ada",))

    said = refused(
        "--host", "192.0.2.1", "--auth", str(tmp_path / "class.json"), "--workspace", str(tmp_path)
    )

    assert said.startswith("headswap: The page cannot be served at the address 192.0.2.1: ")
    assert "Give as --host an address of this machine" in said


def test_a_workspace_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    said = refused("--workspace", str(tmp_path / "file" / "workspace"))

    assert "file/workspace cannot be written: not a directory. Give --workspace FOLDER" in said


def test_without_gradio_the_page_says_how_to_add_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(serving, "find_spec", lambda name: None if name == "gradio" else find_spec(name))

    assert main(["serve", "--workspace", str(tmp_path / "none")]) == 2

    assert capsys.readouterr().err == (
        "headswap: The page needs gradio, which this Python does not have. "
        "Run `pip install -r requirements.txt`, then start again.\n"
    )


def test_told_to_end_it_lets_its_worker_finish_a_step_and_leaves_nothing_running(
    tmp_path: Path, sample: Path
) -> None:
    workspace, port = tmp_path / "workspace", free_port()
    closed = Service(Settings(workspace=workspace, sample=sample / "train"))  # never opened: no one works yet
    project = closed.new_project("").id
    closed.images.use_sample("", project)
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
    streams = [urllib.request.urlopen(f"http://127.0.0.1:{port}{way}", timeout=900) for way in looking_on]
    assert all(stream.readline() for stream in streams)

    server.send_signal(signal.SIGTERM)
    said, _ = server.communicate(timeout=900)

    assert server.returncode == 0, said
    wait_for(lambda: store.get(job).state in (JobState.QUEUED, JobState.DONE))  # a step may be a long one
    wait_for(lambda: not worker or not LocalRunner().is_alive(worker))
    for stream in streams:
        stream.close()
    assert "headswap for a class, in " in said
    assert f"Open http://127.0.0.1:{port}/" in said
    assert "share=True" not in said
    found = store.get(job)
    assert found.state in (JobState.QUEUED, JobState.DONE)
    assert found.crashes == 0
    assert not psutil.wait_procs(children, timeout=600)[1]
    assert not temporary.exists()
    lines = [json.loads(line) for line in (workspace / "logs" / "server.jsonl").read_text().splitlines()]
    assert {line["job"] for line in lines if line["message"] == "given to a worker"} == {job}
    assert lines[-1]["message"] == "the server ends; workers finish their step"
    store.close()


@dataclass(frozen=True)
class Started:
    """A server with codes that one person started at a screen."""

    port: int
    opened: Path  # what its browser was asked to open


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    folder = tmp_path_factory.mktemp("locked")
    add(folder / "class.json", ("ada",))
    browser = folder / "browser"
    browser.write_text(
        f'#!/bin/sh\nprintf %s "$1" > "{folder}/writing"\nmv "{folder}/writing" "{folder}/opened"\n'
    )
    browser.chmod(0o755)
    port = free_port()
    words = ("--auth", str(folder / "class.json"))
    server = start(folder / "workspace", *words, port=port, DISPLAY=":99", BROWSER=str(browser))
    try:
        wait_for(lambda: health(port))
        yield Started(port, folder / "opened")
    finally:
        server.terminate()
        server.communicate(timeout=900)


def test_health_is_answered_beside_a_locked_door(locked: Started) -> None:
    assert health(locked.port)["well"] is True
    with pytest.raises(URLError, match="401"):
        urllib.request.urlopen(f"http://127.0.0.1:{locked.port}/config", timeout=300)


def test_at_a_screen_a_browser_opens_on_the_page_by_itself(locked: Started) -> None:
    wait_for(locked.opened.exists)

    assert locked.opened.read_text() == f"http://127.0.0.1:{locked.port}/"
