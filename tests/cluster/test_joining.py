"""What speaks against a cluster is said at once, in one sentence, before Ray is loaded."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from socket import AF_INET
from socketserver import BaseRequestHandler, TCPServer
from types import SimpleNamespace

import grpc
import psutil
import pytest

import headswap
from headswap.cluster import joining, nodes
from headswap.cluster.crew import ClusterRefused, Parcel, Task
from headswap.cluster.joining import joined
from headswap.cluster.nodes import what_lies_at
from headswap.cluster.ray_crew import RayCrew
from headswap.errors import BadSetting
from headswap.storage.files import sealed_folder, write_bytes
from tests.cluster.here import Here

ROOT = Path(__file__).parents[2]
TOKEN = "a-token"
KNOCK_S = joining._KNOCK_S  # of real life
UNHURRIED_S = 120.0  # that a busy machine may take to answer itself


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with a token and no cluster."""
    for name in ("RAY_ADDRESS", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setattr(joining, "_OF_THE_SYSTEM", tmp_path / "none")
    monkeypatch.setattr(joining, "_KNOCK_S", UNHURRIED_S)


@dataclass
class FakeHead:
    """What answers as the head of a cluster, and which tokens it was shown."""

    address: str
    shown: list[str] = field(default_factory=list)


@contextmanager
def head(allows: str | None, ray: str = "") -> Iterator[FakeHead]:
    """A dashboard that lets in who brings a token (None: everyone), and says which Ray it belongs to."""

    def answer(_asked: bytes, context: grpc.ServicerContext) -> bytes:
        token = dict(context.invocation_metadata()).get("authorization", "")
        fake.shown.append(token)
        if allows is not None and token != f"Bearer {allows}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "InvalidAuthToken")
        return b"\n\x00\x12" + bytes([len(ray)]) + ray.encode() + b" \x01"  # as Ray 2.60 says it

    service, method = joining._ALIVE.strip("/").split("/")
    server = grpc.server(ThreadPoolExecutor(1))
    handlers = {method: grpc.unary_unary_rpc_method_handler(answer)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])
    fake = FakeHead(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
    server.start()
    yield fake
    server.stop(None).wait()


@contextmanager
def other_server(says: bytes) -> Iterator[str]:
    """What is no head of a cluster, and answers whatever it is asked."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(10_000)
            self.request.sendall(says)

    with TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
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
        ("https://head:8265", "takes jobs of Ray and no images"),
        ("the lab", "'the lab' is no cluster"),
        ("auto", "This machine has joined no cluster"),
        ("127.0.0.1:1", "No cluster answers at 127.0.0.1:1"),
        ("a..b:6379", "No cluster answers at a..b:6379"),
        (f"{'a' * 70}:6379", f"No cluster answers at {'a' * 70}:6379"),
        ("127.0.0.1:99999", "No cluster answers at 127.0.0.1:99999"),
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
    allows: str | None, said: str, tmp_path: Path
) -> None:
    with head(allows, ray=version("ray")) as fake:
        assert said in refusal(fake.address, tmp_path)


def test_a_head_is_asked_without_the_token_first_and_one_elsewhere_never_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with head(TOKEN, ray=version("ray")) as fake:
        assert joining.find_cluster(fake.address) == fake.address
        assert fake.shown == ["", f"Bearer {TOKEN}"]

        monkeypatch.setattr(joining, "_is_reached_here", lambda _address: False)
        assert joining.find_cluster(fake.address) == fake.address
        assert fake.shown[2:] == [""]

    with head(None) as fake:
        with pytest.raises(BadSetting, match="asks for no token"):
            joining.find_cluster(fake.address)
        assert fake.shown == [""]


def test_another_cluster_of_the_same_machine_is_another_matter() -> None:
    with head(None, ray="1.0.0"), head("another", ray="1.0.0"), head(TOKEN, ray=version("ray")) as mine:
        assert joining.find_cluster(mine.address) == mine.address


@pytest.mark.parametrize(
    "says", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n"]
)
def test_what_answers_otherwise_than_a_head_is_left_to_ray(says: bytes) -> None:
    with other_server(says) as address:
        assert joining.find_cluster(address) == address


def test_another_ray_is_refused_before_ray_is_asked(tmp_path: Path) -> None:
    with head(TOKEN, ray="1.0.0") as fake:
        said = refusal(fake.address, tmp_path)

    assert f"runs Ray 1.0.0, and this machine has {version('ray')}." in said


def test_what_is_not_here_is_not_looked_for_elsewhere(tmp_path: Path) -> None:
    with (
        pytest.raises(BadSetting, match=f"There is nothing at {tmp_path / 'none'}"),
        joined("127.0.0.1:1", paths=[tmp_path / "none"]),
    ):
        pass


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """A process that is in a cluster already, by a pretended Ray; gives what it is asked for afterwards."""

    def at(address: str) -> list[str]:
        asked: list[str] = []
        ray = SimpleNamespace(
            is_initialized=lambda: True,
            get_runtime_context=lambda: SimpleNamespace(gcs_address=address),
            init=lambda **_: asked.append("init"),
            shutdown=lambda: asked.append("shutdown"),
        )
        monkeypatch.setitem(sys.modules, "ray", ray)
        errors = SimpleNamespace(AuthenticationError=ConnectionError)
        monkeypatch.setitem(sys.modules, "ray.exceptions", errors)
        monkeypatch.setattr(joining, "find_spec", lambda _name: True)
        monkeypatch.setattr(joining, "_check_nodes", lambda *given: asked.append(given[-1]))
        return asked

    return at


def test_who_is_in_a_cluster_already_is_told_when_another_is_asked_for(
    notebook: Callable[[str], list[str]], tmp_path: Path
) -> None:
    with head(TOKEN, ray=version("ray")) as fake:
        asked = notebook("10.0.0.9:6379")
        said = refusal(fake.address, tmp_path)

    assert said == (
        "This process has joined the cluster at 10.0.0.9:6379, and cannot work on that at "
        f'{fake.address} too. Give on="auto" to use the one that it has joined, or call `ray.shutdown()` '
        "first."
    )
    assert asked == []


def test_who_is_in_a_cluster_already_stays_in_it(notebook: Callable[[str], list[str]]) -> None:
    with head(TOKEN, ray=version("ray")) as fake:
        port = fake.address.rpartition(":")[2]
        asked = notebook(fake.address)
        for on in ("auto", fake.address, f"localhost:{port}"):
            with joined(on, paths=[]):
                pass

    assert asked == [fake.address, fake.address, f"localhost:{port}"], "neither joined again nor left"


def test_a_head_of_this_machine_is_the_same_under_the_address_that_others_reach() -> None:
    found = {one.address for card in psutil.net_if_addrs().values() for one in card if one.family == AF_INET}

    for address in found:
        assert joining._is_same_head("127.0.0.1:6379", f"{address}:6379")
    assert not joining._is_same_head("127.0.0.1:6379", "127.0.0.1:6380")
    assert not joining._is_same_head("127.0.0.1:6379", "192.0.2.1:6379")
    assert not joining._is_same_head("192.0.2.2:6379", "192.0.2.1:6379")


class Machines(RayCrew):
    """A cluster of this machine alone, under another name; it says of itself what a test wants."""

    def __init__(self, says: Callable[[Parcel], Parcel | None] = lambda answer: answer) -> None:
        super().__init__()
        self.says = says

    def everywhere(self, task: Task, parcel: Parcel, *, most_s: float) -> dict[str, Parcel | None]:
        ((_, answer),) = Here().each(task, [parcel])
        return {"10.0.0.2:1": self.says(answer)}


def with_another_torch(answer: Parcel) -> Parcel:
    return Parcel(facts={**answer.facts, "versions": {**answer.facts["versions"], "torch": "1.0"}})


def with_an_open_door(answer: Parcel) -> Parcel:
    return Parcel(facts={**answer.facts, "wants_token": False})


@pytest.mark.parametrize(
    ("says", "said"),
    [
        (
            lambda _answer: None,
            "headswap does not run on 10.0.0.2:1. Install the same headswap for the same Python on every "
            "machine of the cluster.",
        ),
        (
            with_another_torch,
            "10.0.0.2:1 has torch 1.0, and the machine that asks has not. Install the same versions on every "
            "machine: the last digits depend on them.",
        ),
        (
            with_an_open_door,
            "The cluster at head:1 asks for no token: all who reach it can run programs on its machines. "
            "Start every node with RAY_AUTH_MODE=token. docs/guide/cluster.md says how.",
        ),
    ],
    ids=["without headswap", "another torch", "an open door"],
)
def test_a_machine_that_is_not_as_this_one_is_named_before_any_work(
    says: Callable[[Parcel], Parcel | None], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")

    with pytest.raises(BadSetting) as refused:
        joining._check_nodes(Machines(says), [], tmp_path, [tmp_path], "head:1")

    assert str(refused.value) == said
    assert list(tmp_path.iterdir()) == [], "the probes are gone"


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


@pytest.mark.parametrize("kept", [b"\xff\xfe\x00", "tökén".encode(), b"two\nlines"])
def test_a_token_that_no_header_holds_is_said(
    kept: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    (tmp_path / "token").write_bytes(kept)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))

    assert f"{tmp_path / 'token'} holds no token of Ray" in refusal("127.0.0.1:6379", tmp_path)


@dataclass(frozen=True)
class Said:
    """What a shell said, and what it had loaded by then."""

    codes: list[int]
    lines: list[str]
    loaded: list[str]


def shell(*verbs: list[str], before: str = "", knock_s: float = UNHURRIED_S) -> Said:
    """Run verbs one after another in a process of its own, which does something `before`."""
    probe = (
        f"import json, sys; from headswap.cli.main import main\n{before}\n"
        f"from headswap.cluster import joining; joining._KNOCK_S = {knock_s}\n"
        f"codes = [main(verb) for verb in {verbs!r}]\n"
        "print(json.dumps([codes, [name for name in ('ray', 'torch') if name in sys.modules]]))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT)
    codes, loaded = json.loads(done.stdout)
    return Said(codes, done.stderr.splitlines(), loaded)


def test_the_shell_ends_with_two_and_neither_ray_nor_torch_is_loaded(
    few_drawings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADSWAP_CLUSTER", "ray://x:1")
    teach = ["teach", str(few_drawings)]

    said = shell(teach, [*teach, "--on", "the lab"])

    assert (said.codes, said.loaded) == ([2, 2], [])
    first, second = said.lines
    assert first.startswith("headswap: ray:// is not used")
    assert second.startswith("headswap: 'the lab' is no cluster")


def verbs_on(on: str, data: Path, tmp_path: Path) -> list[list[str]]:
    """Each verb that a cluster can do, with an output where it has one."""
    out, here = str(tmp_path / "out"), str(data)
    verbs = [["teach", here, "--out", out], ["teach", here, "--from", here, "--out", out]]
    verbs += [["compare", here, "--models", "auto", "--plot", f"{out}.svg"], ["evaluate", here, here]]
    verbs += [["predict", here, here], ["predict", here, here, "--csv", f"{out}.csv"]]
    return [[*verb, "--on", on] for verb in verbs]


WITHOUT_RAY = (
    "from headswap.cluster import joining; looked = joining.find_spec\n"
    "joining.find_spec = lambda name: None if name == 'ray' else looked(name)"
)


@pytest.fixture
def with_token(token: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine whose only token is this one; empty: it has none."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", token)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "no token"))
    monkeypatch.setenv("HEADSWAP_CACHE", str(tmp_path / "cache"))


REFUSED = pytest.mark.parametrize(
    ("before", "token", "scheme", "problem", "remedy"),
    [
        (WITHOUT_RAY, TOKEN, "", "needs Ray, which is not installed. Run `pip install", "cluster]"),
        ("", "", "", "There is no token for the cluster. Make one with", "ray get-auth-token --generate"),
        ("", TOKEN, "", "asks for no token: all who reach it can run programs", "RAY_AUTH_MODE=token"),
        ("", TOKEN, "ray://", "ray:// is not used: Ray itself advises", "Join the cluster with `ray start`"),
    ],
    ids=["without the extra", "without a token", "an open cluster", "ray://"],
)


@REFUSED
def test_every_verb_says_in_one_line_what_is_missing_before_torch_is_loaded(
    before: str, scheme: str, problem: str, remedy: str, with_token: None, few_drawings: Path, tmp_path: Path
) -> None:
    with head(None) as fake:
        verbs = verbs_on(f"{scheme}{fake.address}", few_drawings, tmp_path)
        said = shell(*verbs, before=before)

    assert said.codes == [2] * len(verbs)
    assert said.loaded == []
    assert len(said.lines) == len(verbs)
    for line in said.lines:
        assert line.startswith("headswap: ")
        assert problem in line
        assert remedy in line
    assert not list(tmp_path.glob("out*"))


@pytest.mark.thorough  # it looks at the clock: on a machine that does something else it may fail
@REFUSED
def test_a_refusal_takes_less_than_two_seconds_from_the_start_of_its_process_to_its_end(
    before: str, scheme: str, problem: str, remedy: str, with_token: None, few_drawings: Path, tmp_path: Path
) -> None:
    with head(None) as fake:
        verb = verbs_on(f"{scheme}{fake.address}", few_drawings, tmp_path)[0]
        shell(verb, before=before, knock_s=KNOCK_S)  # modules are read from the disk once
        begun = time.monotonic()
        said = shell(verb, before=before, knock_s=KNOCK_S)
        took_s = time.monotonic() - begun

    assert said.codes == [2]
    assert problem in said.lines[0]
    assert remedy in said.lines[0]
    assert took_s < 2


def sealed(folder: Path, weights: bytes) -> Path:
    with sealed_folder(folder) as draft:
        write_bytes(draft / "weights.safetensors", weights)
    return folder


def test_a_machine_with_another_bundle_at_the_same_path_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    one, other, aside = sealed(tmp_path / "one", b"11"), sealed(tmp_path / "other", b"22"), tmp_path / "aside"

    class Elsewhere(Machines):
        def everywhere(self, task: Task, parcel: Parcel, *, most_s: float) -> dict[str, Parcel | None]:
            one.rename(aside)
            other.rename(one)
            try:
                return super().everywhere(task, parcel, most_s=most_s)
            finally:
                one.rename(other)
                aside.rename(one)

    joining._check_nodes(Machines(), [one], None, [], "head:1")
    with pytest.raises(
        ClusterRefused,
        match=rf"^10\.0\.0\.2:1 does not see {one} as this machine does\. Put it into a folder",
    ):
        joining._check_nodes(Elsewhere(), [one], None, [], "head:1")


def test_what_lies_there_is_told_by_a_seal_or_by_both_ends_of_a_file(tmp_path: Path) -> None:
    one, other = sealed(tmp_path / "one", b"11"), sealed(tmp_path / "other", b"22")
    copy = Path(shutil.copytree(one, tmp_path / "copy"))

    assert what_lies_at(one) == what_lies_at(copy) != what_lies_at(other)
    assert what_lies_at(tmp_path / "nothing") == ""
    seen = set()
    for size, at in ((9, 0), (9, 8), (300_000, 0), (300_000, 65_000), (300_000, 240_000), (300_000, 299_999)):
        data = bytearray(size)
        data[at] = 1
        path = tmp_path / f"{size}-{at}.zip"
        path.write_bytes(data)
        seen.add(what_lies_at(path))
    assert len(seen) == 6
