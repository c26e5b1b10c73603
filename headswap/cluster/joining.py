"""Which cluster, and whether it may be used: everything that speaks against it is said before any work.

Flow:  "auto" | HOST:PORT, paths --joined--> RayCrew, or one sentence that says what is missing

What can be known without Ray is asked first, of the head itself: importing Ray takes a second, and it waits
twenty for an answer that one request has at once. A cluster without a token is refused: everyone who can
reach it can run programs on its machines (docs/decisions/0042-a-cluster.md).

The environment is read here and nowhere else of this room: Ray's own settings are in it.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import socket
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from headswap.cluster.crew import ClusterLost, Parcel
from headswap.cluster.nodes import (
    describe_node,
    not_there,
    other_versions,
    sees_otherwise,
    versions_here,
    what_lies_at,
)
from headswap.errors import BadSetting
from headswap.storage.files import make_folder, remove, write_text
from headswap.storage.locations import install_command

if TYPE_CHECKING:
    from headswap.cluster.ray_crew import RayCrew

_ALIVE = "/ray.rpc.NodeInfoGcsService/CheckAlive"  # what Ray asks a head itself before it joins
_RAY = re.compile(rb"\x12.(\d[\w.+-]*)", re.DOTALL)  # in its answer, which is a message of Protobuf
_OF_THE_SYSTEM = Path("/tmp")  # where Ray writes unless RAY_TMPDIR says otherwise
_KNOCK_S = 5.0  # a head may be busy
ANSWER_S = 180.0  # a process starts on each machine
GUIDE = "docs/guide/cluster.md says how."


@dataclass(frozen=True)
class _Answer:
    """Of the head of a cluster."""

    lets_in: bool
    ray: str = ""  # its version; empty: not said


@contextmanager
def joined(
    on: str, *, paths: Sequence[Path], folder: Path | None = None, written: Sequence[Path] | None = None
) -> Iterator[RayCrew]:
    """The crew of a cluster, for a while.

    Args:
        on: "auto": the cluster that this machine has joined by `ray start`; or HOST:PORT of its head.
        paths: files and folders that every machine must see under the same path.
        folder: where the results of tasks go; every machine must see it too. It is made if need be.
            None: they come back.
        written: where in that folder tasks write, so that every machine must be able to; made if need be.
            None: in the folder itself.

    Raises:
        BadSetting: the cluster cannot be used, or must not; in one sentence.
    """
    for path in paths:
        if not path.exists():
            raise BadSetting(f"There is nothing at {path}.", remedy="Check the path.")
    has_joined = _joined_already()
    address = find_cluster(has_joined if has_joined and on == "auto" else on)
    if has_joined is None:
        _join(address)
    elif not _is_same_head(address, has_joined):
        raise BadSetting(
            f"This process has joined the cluster at {has_joined}, and cannot work on that at {address} too.",
            remedy='Give on="auto" to use the one that it has joined, or call `ray.shutdown()` first.',
        )
    import ray

    from headswap.cluster.ray_crew import RayCrew

    try:
        crew = RayCrew()
        if written is None:
            written = [folder] if folder else []
        _check_nodes(crew, paths, folder, written, address)
        yield crew
    finally:
        if has_joined is None:
            ray.shutdown()


def _joined_already() -> str | None:
    """The head of the cluster that this process is in, as a notebook may be; None: it is in none."""
    ray = sys.modules.get("ray")  # a process that has joined one has imported it
    if ray is None or not ray.is_initialized():
        return None
    return str(ray.get_runtime_context().gcs_address)


def _join(address: str) -> None:
    os.environ["RAY_AUTH_MODE"] = "token"
    import ray
    from ray.exceptions import AuthenticationError

    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except AuthenticationError as error:
        raise wrong_token(address) from error
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise BadSetting(
            f"This machine cannot work with the cluster at {address}: it has not joined it, or has another "
            "token or another Ray.",
            remedy=f"Run `ray start --address={address}` on it, with the head's token and its Ray. {GUIDE}",
        ) from error


def _is_same_head(asked: str, has_joined: str) -> bool:
    """Whether two addresses are of one head: by other names, or as this machine itself knows it."""
    (host, _, port), (other_host, _, other_port) = asked.rpartition(":"), has_joined.rpartition(":")
    if port != other_port:
        return False
    hosts = _addresses_of(host)
    if hosts & {"127.0.0.1", "::1"}:  # Ray has replaced it by an address that others can reach
        hosts |= {one.address for found in psutil.net_if_addrs().values() for one in found}
    return bool(hosts & _addresses_of(other_host))


def _addresses_of(host: str) -> set[str]:
    """What a name or an address stands for."""
    name = host.strip("[]")
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(name, None)}
    except (OSError, ValueError):
        return {name}


def find_cluster(on: str) -> str:
    """The address of the cluster's head, and all that can be said against it without Ray: in a second or two.

    Args:
        on: as for `joined`.

    Raises:
        BadSetting: no extra, no token, no cluster, an open one, another Ray, or an address of another kind.
    """
    _check_form(on)
    if not (find_spec("ray") and find_spec("grpc")):
        raise BadSetting(
            "Work on more than one machine needs Ray, which is not installed.",
            remedy=f"Run `{install_command('cluster')}`.",
        )
    token = token_here()
    address = _of_this_machine() if on == "auto" else on
    is_here = _is_reached_here(address)
    answer = _asked(address)
    if answer is not None and answer.lets_in:
        raise open_cluster(address)
    if answer is not None and is_here:  # over a network the token would be plain text
        _check_ray(_asked(address, token), address)
    return address


def _check_ray(answer: _Answer | None, address: str) -> None:
    """What a head tells who brings the token: whether it is the right one, and which Ray there is."""
    if answer is None:
        return
    if not answer.lets_in:
        raise wrong_token(address)
    mine = version("ray")
    if answer.ray not in ("", mine):
        raise BadSetting(
            f"The cluster at {address} runs Ray {answer.ray}, and this machine has {mine}.",
            remedy=f'Run `pip install "ray[default]=={answer.ray}"`, or install {mine} on every machine.',
        )


def _check_form(on: str) -> None:
    if on.startswith("ray://"):
        raise BadSetting(
            "ray:// is not used: Ray itself advises against its client for long work.",
            remedy="Join the cluster with `ray start` and give --on auto.",
        )
    if on.lower().startswith(("http://", "https://")):
        raise BadSetting(
            f"{on} is the address of a dashboard, which takes jobs of Ray and no images.",
            remedy="Run `ray job submit --address ADDRESS -- headswap VERB ... --on auto`, or join the "
            "cluster with `ray start` and give auto.",
        )
    if on != "auto" and not re.fullmatch(r"[\w.-]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}", on):
        raise BadSetting(
            f"{on!r} is no cluster.",
            remedy="Give --on auto, or the address of its head, such as 10.0.0.1:6379.",
        )


def token_here() -> str:
    """Where Ray looks for it, in its order.

    Raises:
        BadSetting: there is none, or what is there is no token.
    """
    if token := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        return _plain(token, "RAY_AUTH_TOKEN")
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    path = Path(named) if named else Path.home() / ".ray" / "auth_token"
    try:
        token = path.read_bytes().decode("ascii", "replace").strip()
    except OSError:
        token = ""
    if not token:
        raise BadSetting(
            "There is no token for the cluster.",
            remedy="Make one with `ray get-auth-token --generate` and copy ~/.ray/auth_token to every "
            f"machine. {GUIDE}",
        )
    return _plain(token, str(path))


def _plain(token: str, source: str) -> str:
    """A token as it was made; what a header cannot hold is none."""
    if token.isascii() and token.isprintable():
        return token
    raise BadSetting(
        f"{source} holds no token of Ray: its letters are not plain.",
        remedy="Copy ~/.ray/auth_token of the cluster's head once more.",
    )


def _of_this_machine() -> str:
    """The address that `ray start` has left on this machine."""
    if address := os.environ.get("RAY_ADDRESS", ""):
        _check_form(address)
    if address and address != "auto":
        return address
    roots = (os.environ.get("RAY_TMPDIR"), _OF_THE_SYSTEM)
    for root in (one for one in roots if one):
        kept = Path(root) / "ray" / "ray_current_cluster"
        if kept.is_file() and (address := kept.read_text("utf-8", "replace").strip()):
            return address
    raise ClusterLost(
        "This machine has joined no cluster.",
        remedy=f"Join one with `ray start`, or leave out --on to work on this machine. {GUIDE}",
    )


def _is_reached_here(address: str) -> bool:
    """Whether what answers at an address is on this machine, or at the end of a tunnel that begins on it.

    Raises:
        ClusterLost: nothing answers there.
    """
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_S) as reached:
            there, here = reached.getpeername()[0], reached.getsockname()[0]
    except (OSError, ValueError, OverflowError) as error:  # also of a name or a port that cannot be
        raise ClusterLost(
            f"No cluster answers at {address}.",
            remedy=f"Start one with `ray start`, or leave out --on to work on this machine. {GUIDE}",
        ) from error
    return bool(there == here or ipaddress.ip_address(there.partition("%")[0]).is_loopback)


def _asked(address: str, token: str = "") -> _Answer | None:
    """What the head answers to who brings a token, or none; None: nothing that a head says in plain text."""
    import grpc  # comes with Ray, without which no one gets here

    brought = [("authorization", f"Bearer {token}")] if token else None
    options = [("grpc.enable_http_proxy", 0)]  # a token is shown to no proxy
    with grpc.insecure_channel(address, options=options) as channel:
        try:
            said = channel.unary_unary(_ALIVE)(b"", timeout=_KNOCK_S, metadata=brought)
        except grpc.RpcError as error:
            refused = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
            return _Answer(lets_in=False) if error.code() in refused else None
    found = _RAY.search(said)
    return _Answer(lets_in=True, ray=found[1].decode() if found else "")


def open_cluster(address: str) -> BadSetting:
    """Said of a cluster that lets anyone in."""
    return BadSetting(
        f"The cluster at {address} asks for no token: all who reach it can run programs on its machines.",
        remedy=f"Start every node with RAY_AUTH_MODE=token. {GUIDE}",
    )


def wrong_token(address: str) -> BadSetting:
    """Said where a token is not that of the cluster."""
    return BadSetting(
        f"The cluster at {address} refuses this machine's token.",
        remedy="Copy ~/.ray/auth_token of its head to this machine.",
    )


def _check_nodes(
    crew: RayCrew, paths: Sequence[Path], folder: Path | None, written: Sequence[Path], address: str
) -> None:
    """Every machine has the same packages, a shut door, sees the same files, and may write where it must."""
    seen = {str(path.resolve()): what_lies_at(path.resolve()) for path in paths}
    asked = {"written": [str(make_folder(path).resolve()) for path in written]}
    with _probe(folder) as probe:
        if probe is not None:
            seen[str(probe)] = what_lies_at(probe)
        parcel = Parcel(facts={**asked, "paths": list(seen)})
        found = crew.everywhere(describe_node, parcel, most_s=ANSWER_S)
    for node, answer in found.items():
        if answer is None:
            raise not_there(node)
        if not answer.facts["wants_token"]:
            raise open_cluster(address)
        if error := other_versions(node, answer.facts["versions"], versions_here()):
            raise error
        for path, fingerprint in seen.items():
            if answer.facts["paths"][path] != fingerprint:
                raise _unseen(node, Path(path), folder if probe and Path(path) == probe else None)
        for path in answer.facts["shut"]:
            raise _unwritable(node, path)


@contextmanager
def _probe(folder: Path | None) -> Iterator[Path | None]:
    """A file in a folder, for a moment, that no other folder of the same name holds."""
    if folder is None:
        yield None
        return
    probe = make_folder(folder).resolve() / f".headswap-{uuid.uuid4().hex}"
    write_text(probe, probe.name)
    try:
        yield probe
    finally:
        remove(probe)


def _unseen(node: str, path: Path, folder: Path | None) -> BadSetting:
    if folder is not None:
        return BadSetting(
            f"{node} does not see {folder}, where features are kept.",
            remedy="Name a folder that all machines have in common with HEADSWAP_CACHE, or for a server with "
            "--workspace.",
        )
    return sees_otherwise(node, path)


def _unwritable(node: str, folder: str) -> BadSetting:
    return BadSetting(
        f"{node} cannot write into {folder}.",
        remedy="Let headswap write there on every machine: features and the checkpoints of tries go there.",
    )
