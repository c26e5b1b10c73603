"""A verb that is handed over to a cluster: what is refused, what is said, and what ends it."""

from __future__ import annotations

import argparse
import io
import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from headswap import __version__
from headswap.cli import hand_over, handed
from headswap.cli.frames import FramedEvents, frames_of, write_frame
from headswap.cli.main import main
from headswap.cli.verb import VerbAnswer
from headswap.cluster import dashboard, joining
from headswap.data.remote_target import put_at
from headswap.events import Note, Progress
from headswap.pipeline.run import _unfinished
from headswap.storage.files import sealed_folder

TOKEN = "a-token"


@dataclass
class FakeHead:
    """What a dashboard was asked, and what it answers."""

    url: str = ""
    asked: list[str] = field(default_factory=list)  # method, path and token of each request
    jobs: dict[str, dict[str, object]] = field(default_factory=dict)
    ends: str = "SUCCEEDED"  # of every job
    log: str = ""
    lost: int = 0  # requests for a log that no one answers
    makes: Path | None = None  # the result of every job
    sent_to: str = ""  # every request is redirected there
    is_open: bool = False
    takes: str = ""  # why it takes no job

    def answer(self, method: str, path: str, content: dict[str, Any]) -> tuple[int, object]:
        if path == "/api/version":
            return 200, {"ray_version": "2.60.0"}
        if method == "POST" and path == "/api/jobs/" and self.takes:
            return 500, self.takes
        if method == "POST" and path == "/api/jobs/":
            self.jobs[str(content["submission_id"])] = {"status": "RUNNING", **content}
            if self.makes is not None:
                put_at(self.makes, content["metadata"]["target"])
            return 200, {}
        job = self.jobs.get(path.split("/")[3])
        if job is None:
            return 404, {}
        if path.endswith("/logs"):
            job["status"] = self.ends
            return 200, {"logs": self.log}
        if path.endswith("/stop"):
            job["status"] = "STOPPED"
        return 200, job


@pytest.fixture
def head() -> Iterator[FakeHead]:
    fake = FakeHead()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = self.headers.get("Authorization", "")
            fake.asked.append(f"{self.command} {self.path} {token}")
            content = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
            if fake.sent_to:
                self.send_response(302)
                self.send_header("Location", fake.sent_to + self.path)
                self.end_headers()
                return
            if self.path.endswith("/logs") and fake.lost:
                fake.lost -= 1
                self.connection.close()
                return
            status: int = 401
            said: object = {}
            if fake.is_open or token == f"Bearer {TOKEN}":
                status, said = fake.answer(self.command, self.path, content)
            self.send_response(status)
            self.end_headers()
            self.wfile.write((said if isinstance(said, str) else json.dumps(said)).encode())

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield fake
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def laptop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine that has joined nothing, and the folder that it works in."""
    for name in ("RAY_ADDRESS", "RAY_AUTH_TOKEN_PATH", "HEADSWAP_CLUSTER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setenv("HEADSWAP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(joining, "_OF_THE_SYSTEM", tmp_path / "none")
    monkeypatch.setattr(hand_over, "_SOON_S", 0.0)
    monkeypatch.setattr(dashboard, "_KNOCK_S", 120.0)  # that a busy machine may take to answer itself
    (tmp_path / "birds").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def log_of(*frames: dict[str, object]) -> str:
    log = io.StringIO("Running entrypoint\n")
    log.seek(0, io.SEEK_END)
    for frame in frames:
        write_frame(log, frame)
    return log.getvalue()


def teach(on: str, *more: str) -> int:
    return main(["teach", "birds", "--on", on, *more])


@pytest.mark.parametrize(
    ("on", "said"),
    [
        ("http://head:8265", "http:// would show the token"),
        ("https://me:secret@head:8265", "holds a name or a password"),
        ("https://", "no address of a dashboard"),
        ("https://head:port", "no address of a dashboard"),
        ("http://127.0.0.1:1", "No dashboard answers at http://127.0.0.1:1."),
    ],
)
def test_what_is_no_dashboard_is_said(on: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert teach(on) == 2
    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1
    assert "secret" not in told


def test_an_open_cluster_and_another_token_are_refused_and_nothing_is_handed_over(
    head: FakeHead, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    head.is_open = True
    assert teach(head.url) == 2
    assert "asks for no token" in capsys.readouterr().err
    assert not any(TOKEN in asked for asked in head.asked), "it was asked without the token first"
    head.is_open = False
    monkeypatch.setenv("RAY_AUTH_TOKEN", "another")
    assert teach(head.url) == 2
    assert "refuses this machine's token" in capsys.readouterr().err
    monkeypatch.setenv("RAY_AUTH_TOKEN", "")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "nothing")
    assert teach(head.url) == 2
    assert "There is no token" in capsys.readouterr().err
    assert main(["teach", "nothing", "--on", head.url]) == 2
    assert "There is nothing at nothing." in capsys.readouterr().err
    assert head.jobs == {}


def test_a_head_that_takes_no_jobs_is_said(head: FakeHead, capsys: pytest.CaptureFixture[str]) -> None:
    head.takes = "No available agent to submit job, please try again later."
    assert teach(head.url) == 2
    assert "runs no agent that takes jobs. Another Ray" in capsys.readouterr().err
    head.takes = "Traceback:\nRuntimeError: full."
    assert teach(head.url) == 2
    assert "takes no work: RuntimeError: full. Look at its dashboard" in capsys.readouterr().err


def test_only_data_is_read_at_an_address(
    head: FakeHead, laptop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "is read from a disk, and s3://lab/birds is an address. Fetch it first, and give the path"
    verbs: list[list[str]] = [["predict", "s3://lab/birds", "birds"], ["evaluate", "s3://lab/birds", "birds"]]
    verbs += [["teach", "birds", option, "s3://lab/birds"] for option in ("--from", "--weights")]

    for verb in verbs:
        for more in ([], ["--on", head.url]):
            assert main([*verb, *more]) == 2
            assert said in capsys.readouterr().err, (verb, more)

    assert main(["inspect", "timm/resnet18", "--weights", "s3://lab/birds"]) == 2
    assert said in capsys.readouterr().err
    assert head.jobs == {}


def test_a_token_follows_no_redirect(head: FakeHead, capsys: pytest.CaptureFixture[str]) -> None:
    head.sent_to = head.url.replace("127.0.0.1", "localhost")

    assert teach(head.url) == 2

    assert "is not the dashboard of a Ray cluster" in capsys.readouterr().err
    assert head.asked == ["GET /api/version "]


def test_its_words_and_its_code_come_back_through_a_connection_that_is_lost(
    head: FakeHead, laptop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    head.lost, head.ends = 2, "FAILED"  # as Ray calls a program that ends with 2
    head.log = log_of({"err": "headswap: too few.\n"}, {"note": {"sentence": "Hear."}}, {"exit": 2})
    monkeypatch.setenv("HEADSWAP_CLUSTER", head.url)

    assert main(["teach", "birds"]) == 2

    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "headswap: the connection to the cluster is lost; trying again.", "headswap: too few.", "Hear.",
    ]  # fmt: skip
    (job,) = head.jobs.values()
    assert TOKEN not in json.dumps(job)
    assert str(laptop / "birds") in str(job["entrypoint"])
    assert sorted(path.name for path in laptop.iterdir()) == ["birds", "cache"], "the probe is gone"


def test_the_same_command_goes_on_with_its_job_until_it_has_heard_the_end(
    head: FakeHead, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hand_over, "_TRIES", 0)
    head.lost, head.log = 1, log_of({"out": "ready\n"}, {"exit": 0})

    assert teach(head.url) == 2, "lost"
    assert "run the same command once more" in capsys.readouterr().err
    assert teach(head.url) == 0
    assert len(head.jobs) == 1
    said = capsys.readouterr()
    assert said.out == "ready\n"
    assert "handed over before; going on with it" in said.err
    assert teach(head.url) == 0
    assert len(head.jobs) == 2, "that one was over: this is another"
    assert teach(head.url, "--seed", "1") == 0
    assert len(head.jobs) == 3


def test_a_result_comes_through_the_shelf_or_goes_where_both_see_it(
    head: FakeHead, laptop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sealed_folder(laptop / "made") as draft:
        (draft / "weights").write_bytes(b"weights")
    head.makes, head.log = laptop / "made", log_of({"exit": 0})

    assert teach(head.url, "--shelf", "memory://shelf") == 0
    assert (laptop / "birds-bundle" / "weights").read_bytes() == b"weights"
    assert fsspec.filesystem("memory").find("/shelf") == []
    assert teach(head.url, "--shelf", "nonsense://shelf") == 2
    assert "nonsense:// is no kind of address" in capsys.readouterr().err
    assert teach(head.url, "--out", "birds") == 2
    assert "birds exists already" in capsys.readouterr().err

    head.makes = None
    assert teach(head.url, "--out", "memory://results/birds") == 0
    assert teach(head.url, "--out", "here") == 0
    *_, there, here = (str(job["entrypoint"]) for job in head.jobs.values())
    assert '"target": "memory://results/birds"' in there
    assert '"target": null' in here
    assert f"{laptop}/.headswap-" in here, "a probe tells whether the head sees this folder"


def test_ctrl_c_stops_the_job(
    head: FakeHead, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    head.ends = "RUNNING"
    monkeypatch.setattr(time, "sleep", interrupt)

    assert teach(head.url) == 130

    assert [job["status"] for job in head.jobs.values()] == ["STOPPED"]
    assert capsys.readouterr().err.splitlines()[-1] == "headswap: stopped."


@pytest.fixture
def done(head: FakeHead, laptop: Path) -> FakeHead:
    """Its jobs make a bundle, which comes through the shelf."""
    with sealed_folder(laptop / "made") as draft:
        (draft / "weights").write_bytes(b"weights")
    head.makes, head.log = laptop / "made", log_of({"exit": 0})
    return head


def test_a_shell_that_ends_between_fetching_and_noting_it_has_the_result_the_next_time(
    done: FakeHead, laptop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(hand_over._RunCount, "ended", lambda _self: sys.exit("killed"))
        with pytest.raises(SystemExit):
            teach(done.url, "--shelf", "memory://shelf")
    assert (laptop / "birds-bundle").is_dir()

    assert teach(done.url, "--shelf", "memory://shelf") == 0

    assert len(done.jobs) == 1
    assert fsspec.filesystem("memory").find("/shelf") == []


def test_a_result_that_the_shelf_has_lost_ends_the_matter(
    done: FakeHead, laptop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done.makes = None

    assert teach(done.url, "--shelf", "memory://shelf") == 2

    assert "any more. Run the same command once more: it starts a new job." in capsys.readouterr().err
    done.makes = laptop / "made"
    assert teach(done.url, "--shelf", "memory://shelf") == 0
    assert len(done.jobs) == 2


def test_ctrl_c_while_a_result_is_fetched_keeps_it(
    done: FakeHead, laptop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    for where in ("headswap.data.remote_target.fetch_from", "headswap.cli.hand_over.frames_of"):
        with monkeypatch.context() as stopped:
            stopped.setattr(where, interrupt)
            assert teach(done.url, "--shelf", "memory://shelf") == 130
        assert "the job is done, and its result is kept" in capsys.readouterr().err

    assert teach(done.url, "--shelf", "memory://shelf") == 0
    assert (laptop / "birds-bundle" / "weights").read_bytes() == b"weights"
    assert [job["status"] for job in done.jobs.values()] == ["SUCCEEDED"]


def test_a_copy_that_cannot_be_taken_away_is_told_and_the_result_counts(
    done: FakeHead, laptop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_self: object, path: str) -> None:
        if "handed" in path:
            raise PermissionError(path)

    monkeypatch.setattr(MemoryFileSystem, "rm_file", refuse)

    assert teach(done.url, "--shelf", "memory://full") == 0

    assert "birds-bundle is here; a copy is left on the shelf" in capsys.readouterr().err
    assert (laptop / "birds-bundle").is_dir()


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ("Killed", "ended on the cluster without an answer: Killed."),
        ("/usr/bin/python: No module named headswap", "headswap does not run on the head"),
    ],
)
def test_a_job_that_ends_without_a_word_is_said(
    head: FakeHead, last: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    head.ends, head.log = "FAILED", f"{log_of()}{last}\n"

    assert teach(head.url) == 2
    assert said in capsys.readouterr().err


@pytest.fixture
def unchanged_signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def handed_over(**changes: object) -> list[dict[str, object]]:
    asked = {
        "version": __version__,
        "verb": "headswap.cli.verbs.evaluate",
        "choices": {"bundle": "birds", "data": "birds", "json": False, "allow_code": False},
    }
    log = io.StringIO()
    handed.main(json.dumps({**asked, **changes}), log)
    return frames_of(log.getvalue())


@pytest.mark.usefixtures("unchanged_signals")
def test_the_head_does_the_verb_on_the_cluster_that_it_is_of_and_refuses_what_it_does_not_see(
    laptop: Path,
) -> None:
    said, code = handed_over()
    assert str(said["err"]).startswith("headswap: This machine has joined no cluster.")
    assert code == {"exit": 2}
    said, _ = handed_over(seen={str(laptop / "birds"): "something else"})
    assert f"does not see {laptop / 'birds'} as this machine does" in str(said["err"])
    fsspec.filesystem("memory").pipe("/results/birds/weights", b"weights")
    result = {"output": "out", "target": "memory://results/birds", "shown": "memory://results/birds"}
    said, _ = handed_over(**result)
    assert "memory://results/birds exists already" in str(said["err"])
    said, _ = handed_over(version="0.0")
    assert f"has headswap {__version__}, and this machine has 0.0" in str(said["err"])


@pytest.mark.usefixtures("unchanged_signals")
def test_a_job_that_was_stopped_is_gone_on_with_by_the_next_one_and_leaves_nothing(
    laptop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: list[Path] = []

    def teach_until_stopped(choices: argparse.Namespace) -> VerbAnswer:
        place = Path(choices.out)
        places.append(place)
        checkpoints = _unfinished(place, choices.workspace)
        if not checkpoints.is_dir():
            checkpoints.mkdir(parents=True)
            place.mkdir()
            raise KeyboardInterrupt
        assert not place.exists()
        checkpoints.rmdir()
        with sealed_folder(place) as draft:
            (draft / "weights").write_bytes(b"weights")
        return VerbAnswer({}, f"{place} is ready.")

    verb = SimpleNamespace(__name__="teach", run=teach_until_stopped)
    monkeypatch.setattr(handed, "VERBS", (verb,))
    target = {"output": "out", "target": "memory://results/went-on", "shown": "there"}
    asked = {"verb": "teach", "choices": {"json": False}, "name": "a-command", **target}

    assert handed_over(**asked)[-1] == {"exit": 130}
    assert handed_over(**asked) == [{"out": "there is ready.\n"}, {"exit": 0}]

    assert len(set(places)) == 1
    assert fsspec.filesystem("memory").cat("/results/went-on/weights") == b"weights"
    assert list((laptop / "cache" / "unfinished").iterdir()) == []


def test_progress_is_told_now_and_then_and_its_end_always() -> None:
    now, log = [0.0], io.StringIO()
    listener = FramedEvents(log, lambda: now[0])

    for done in range(1, 31):
        now[0] += 0.25
        listener(Progress("pictures", done, 30))
    listener(Note("Hear."))

    frames = frames_of(log.getvalue())
    assert [frame["progress"]["done"] for frame in frames[:-1]] == [1, 5, 9, 13, 17, 21, 25, 29, 30]
    assert frames[-1]["note"]["sentence"] == "Hear."
