"""`python app.py` as a person or a service manager runs it: its door, its words, its end."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode

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


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts servers, and ends those that a test that failed has left."""
    servers: list[subprocess.Popen[str]] = []

    def start_one(*given: Any, **named: Any) -> subprocess.Popen[str]:
        servers.append(start(*given, **named))
        return servers[-1]

    yield start_one
    for server in servers:
        if server.poll() is None:
            server.terminate()
            server.communicate(timeout=900)


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


Refused = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """What the app says on stderr when it does not even begin."""

    def ask(*words: str) -> str:
        assert main(["serve", *words]) == 2
        said = capsys.readouterr()
        assert len(said.err.strip().splitlines()) == 1, said.err
        assert said.out == ""
        return said.err

    return ask


def test_a_whole_network_without_codes_ends_with_2_and_a_sentence(tmp_path: Path) -> None:
    words = ("--host", "0.0.0.0", "--workspace", str(tmp_path / "none"))

    ended = subprocess.run(
        [sys.executable, "app.py", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 2, ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
    assert ended.stdout == ""
    assert ended.stderr.startswith("headswap: 0.0.0.0 opens this to a whole network")
    assert not (tmp_path / "none").exists()


def test_a_port_that_is_taken_is_one_sentence(refused: Refused, tmp_path: Path) -> None:
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


def test_an_address_of_another_machine_is_one_sentence(refused: Refused, tmp_path: Path) -> None:
    add(tmp_path / "class.json", ("ada",))

    said = refused(
        "--host", "192.0.2.1", "--auth", str(tmp_path / "class.json"), "--workspace", str(tmp_path)
    )

    assert said.startswith("headswap: The page cannot be served at the address 192.0.2.1: ")
    assert "Give as --host an address of this machine" in said


def test_a_workspace_that_cannot_be_written_is_one_sentence(refused: Refused, tmp_path: Path) -> None:
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


def browser_that_notes(folder: Path) -> Path:
    """A program that writes down what it was asked to open, in `opened` next to it."""
    browser = folder / "browser"
    browser.write_text(
        f'#!/bin/sh\nprintf %s "$1" > "{folder}/writing"\nmv "{folder}/writing" "{folder}/opened"\n'
    )
    browser.chmod(0o755)
    return browser


def look_on(url: str, code: str, *sessions: str) -> list[http.client.HTTPResponse]:
    """Log in, and hold the stream of every page open."""
    visitor = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    visitor.open(f"{url}/login", urlencode({"username": "ada", "password": code}).encode(), 900).close()
    streams = [visitor.open(f"{url}{API}heartbeat/{session}", timeout=900) for session in sessions]
    assert all(stream.readline() for stream in streams)
    return streams


def test_a_server_with_codes_opens_its_page_keeps_its_door_and_told_to_end_leaves_nothing_running(
    started: Callable[..., subprocess.Popen[str]], tmp_path: Path, sample: Path
) -> None:
    """At a screen a browser opens by itself, health is answered to all, and a worker may finish its step."""
    workspace, port = tmp_path / "workspace", free_port()
    codes, browser = add(tmp_path / "class.json", ("ada",)), browser_that_notes(tmp_path)
    closed = Service(Settings(workspace=workspace, sample=sample / "train"))  # never opened: no one works yet
    project = closed.new_project("").id
    closed.images.use_sample("", project)
    job = closed.start_teaching("", project)
    closed.__exit__()
    store = Store(workspace / "jobs.sqlite")
    words = ("--auth", str(tmp_path / "class.json"), "--no-spare")
    server = started(workspace, *words, port=port, DISPLAY=":99", BROWSER=str(browser))
    wait_for(lambda: store.get(job).lease > 1 or store.get(job).is_over)
    worker = store.get(job).worker
    wait_for(lambda: health(port))
    children = psutil.Process(server.pid).children(recursive=True)
    temporary = Path(json.loads((workspace / "temporary.json").read_text())["folder"])
    assert temporary.is_dir()

    assert health(port)["well"] is True
    with pytest.raises(URLError, match="401"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/config", timeout=300)
    wait_for((tmp_path / "opened").exists)
    assert (tmp_path / "opened").read_text() == f"http://127.0.0.1:{port}/"
    streams = look_on(f"http://127.0.0.1:{port}", codes["ada"], "s1", "s2")  # two pages are open meanwhile

    server.send_signal(signal.SIGTERM)
    said, _ = server.communicate(timeout=900)

    assert server.returncode == 0, said
    wait_for(lambda: store.get(job).state in (JobState.QUEUED, JobState.DONE))  # a step may be a long one
    wait_for(lambda: not worker or not LocalRunner().is_alive(worker))
    for stream in streams:
        stream.close()
    assert "headswap for one person, in " in said
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
