"""What speaks against a cluster is said at once, in one sentence, before Ray is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest

import headswap
from headswap.cluster import joining, nodes
from headswap.cluster.crew import Here, Parcel, Task
from headswap.cluster.joining import joined
from headswap.errors import BadSetting
from headswap.storage.files import write_bytes

ROOT = Path(__file__).parents[2]
TOKEN = "a-token"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with a token and no cluster."""
    for name in ("RAY_ADDRESS", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setattr(joining, "_OF_THE_SYSTEM", tmp_path / "none")


@contextmanager
def dashboard(allows: str | None, ray: str = "") -> Iterator[int]:
    """One that lets in who brings a token, None: anybody, and tells them which Ray it is of."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            well = allows is None or self.headers.get("Authorization") == f"Bearer {allows}"
            self.send_response(200 if well else 401)
            self.end_headers()
            if well and ray:
                self.wfile.write(json.dumps({"version": "4", "ray_version": ray}).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def refusal(on: str, tmp_path: Path) -> str:
    with pytest.raises(BadSetting) as refused, joined(on, paths=[], folder=tmp_path / "shelf"):
        pass
    return str(refused.value)


@pytest.mark.parametrize(
    ("on", "said"),
    [
        ("ray://10.0.0.1:10001", "ray:// is not used"),
        ("https://head:8265", "takes whole commands of the shell"),
        ("the lab", "'the lab' is no cluster"),
        ("auto", "This machine has joined no cluster"),
        ("127.0.0.1:1", "No cluster answers at 127.0.0.1:1"),
    ],
)
def test_what_is_no_cluster_is_said(on: str, said: str, tmp_path: Path) -> None:
    assert said in refusal(on, tmp_path)


def test_the_address_of_the_environment_is_looked_at_like_any_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "ray://10.0.0.1:10001")

    assert "ray:// is not used" in refusal("auto", tmp_path)


def test_without_the_extra_its_command_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(joining, "find_spec", lambda _name: None)

    assert "needs Ray, which is not installed. Run `pip install" in refusal("auto", tmp_path)


def test_without_a_token_nothing_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "nothing"))

    assert "There is no token" in refusal("127.0.0.1:6379", tmp_path)


@pytest.mark.parametrize(
    ("allows", "said"), [(None, "asks for no token"), ("another", "refuses this machine's token")]
)
def test_an_open_cluster_and_a_wrong_token_are_refused_before_ray_is_asked(
    allows: str | None, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with dashboard(allows) as port:
        monkeypatch.setattr(joining, "_DASHBOARD", port)

        assert said in refusal(f"127.0.0.1:{port}", tmp_path)


def test_another_ray_is_refused_before_ray_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with dashboard(TOKEN, ray="1.0.0") as port:
        monkeypatch.setattr(joining, "_DASHBOARD", port)

        said = refusal(f"127.0.0.1:{port}", tmp_path)

    assert f"runs Ray 1.0.0, and this machine has {version('ray')}." in said
    with dashboard(TOKEN, ray=version("ray")) as port:
        monkeypatch.setattr(joining, "_DASHBOARD", port)
        assert joining.find_cluster(f"127.0.0.1:{port}") == f"127.0.0.1:{port}"


def test_what_is_not_here_is_not_looked_for_elsewhere(tmp_path: Path) -> None:
    with (
        pytest.raises(BadSetting, match=f"There is nothing at {tmp_path / 'none'}"),
        joined("127.0.0.1:1", paths=[tmp_path / "none"]),
    ):
        pass


class Machines:
    """A cluster of this machine alone, under another name."""

    def everywhere(self, task: Task, parcel: Parcel, *, most_s: float) -> dict[str, Parcel | None]:
        ((_, answer),) = Here().each(task, [parcel])
        return {"10.0.0.2:1": answer}


def test_a_machine_that_cannot_write_where_tasks_write_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    written = [tmp_path / "features", tmp_path / "jobs"]
    joining._check_nodes(Machines(), [], tmp_path, written, "head:1")
    shut = written[1]

    def write(path: Path, data: bytes) -> None:
        if path.parent == shut:
            raise PermissionError(path)
        write_bytes(path, data)

    monkeypatch.setattr(nodes, "write_bytes", write)  # not by permissions: root may write anywhere
    with pytest.raises(
        BadSetting, match=rf"^10\.0\.0\.2:1 cannot write into {shut}\. Let headswap write there"
    ):
        joining._check_nodes(Machines(), [], tmp_path, written, "head:1")
    assert [list(folder.iterdir()) for folder in written] == [[], []]
    assert sorted(tmp_path.iterdir()) == written, "the probes are gone"


def test_answers_are_not_kept_one_by_one_on_a_cluster(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="Give either `kept` or `on`, not both"):
        headswap.predict(tmp_path, tmp_path, kept=tmp_path / "kept", on="auto")
    assert list(tmp_path.iterdir()) == []


def test_a_token_is_taken_from_where_ray_takes_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert joining.token_here() == TOKEN
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    (tmp_path / "token").write_text("kept\n")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    assert joining.token_here() == "kept"


def test_the_shell_ends_with_two_and_neither_ray_nor_torch_is_loaded(few_drawings: Path) -> None:
    probe = (
        "import os, sys; from headswap.cli.main import main; os.environ['HEADSWAP_CLUSTER'] = 'ray://x:1';"
        f"codes = [main(['teach', {str(few_drawings)!r}, *more]) for more in ([], ['--on', 'the lab'])];"
        "print(*codes, 'ray' in sys.modules, 'torch' in sys.modules)"
    )

    said = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT)

    assert said.stdout.split() == ["2", "2", "False", "False"]
    first, second = said.stderr.splitlines()
    assert first.startswith("headswap: ray:// is not used")
    assert second.startswith("headswap: 'the lab' is no cluster")
