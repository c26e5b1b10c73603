"""The dashboard of a cluster, asked by a machine that is no part of it: Ray's Jobs interface, without Ray.

Flow:  https://head:8265 --open_dashboard--> Dashboard --submit, job, log, stop--> a program there

Everything that speaks against an address is said before anything is sent to it, in about a second. The token
goes into a header, never into an address or a log, and never over a network as plain text.
"""

from __future__ import annotations

import ipaddress
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import IO, Any
from urllib.parse import urlsplit

from headswap.cluster.crew import ClusterLost
from headswap.cluster.joining import GUIDE, open_cluster, token_here, wrong_token
from headswap.errors import BadSetting

_KNOCK_S = 5.0  # within which a dashboard answers for the first time
_ANSWER_S = 60.0  # within which it does later: it may be busy, or far away
_SUBMITS = 3  # times
_NO_AGENT = b"No available agent"
_OVER = ("STOPPED", "SUCCEEDED", "FAILED")


@dataclass(frozen=True, kw_only=True)
class HandedJob:
    """What the dashboard says of a program that was handed over."""

    status: str  # PENDING, RUNNING, STOPPED, SUCCEEDED or FAILED
    message: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)  # what came with it

    @property
    def is_over(self) -> bool:
        return self.status in _OVER


@dataclass(frozen=True)
class _Answer:
    status: int
    text: bytes


class Dashboard:
    """Where programs are handed over. Each method raises `ClusterLost` if nothing answers."""

    def __init__(self, url: str, token: str) -> None:
        """`url` without a slash at its end; `headswap.cluster.dashboard.open_dashboard` has checked it."""
        self.url, self._token = url, token
        handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
        if url.startswith("http://"):
            handlers.append(urllib.request.ProxyHandler({}))  # a token is shown to no proxy
        self._opener = urllib.request.build_opener(*handlers)

    def submit(self, job_id: str, command: str, metadata: Mapping[str, str]) -> bool:
        """Start a program on the head; False: there is one of this id."""
        asked = {"entrypoint": command, "submission_id": job_id, "metadata": dict(metadata)}
        for _ in range(_SUBMITS):
            answer = self.ask("POST", "/api/jobs/", asked)
            if answer.status == 200:
                return True
            if _NO_AGENT not in answer.text:  # said after ten seconds, of a head that has just begun too
                break
        if _NO_AGENT in answer.text:
            raise BadSetting(
                f"The head of the cluster at {self.url} runs no agent that takes jobs.",
                remedy="Another Ray on that machine may hold its port: give `ray start --head` a free one "
                "with --dashboard-agent-listen-port.",
            )
        if b"already" in answer.text:
            return False
        raise BadSetting(
            f"The cluster at {self.url} takes no work: {_last_line(answer.text)}.",
            remedy="Look at its dashboard, or work on a machine that has joined it.",
        )

    def job(self, job_id: str) -> HandedJob | None:
        """How a program is; None: the cluster knows none of this id."""
        answer = self.ask("GET", f"/api/jobs/{job_id}")
        if answer.status == 404:
            return None
        said = self._json(answer)
        return HandedJob(
            status=str(said.get("status")),
            message=str(said.get("message") or ""),
            metadata=said.get("metadata") or {},
        )

    def log(self, job_id: str) -> str:
        """All that a program has printed so far."""
        return str(self._json(self.ask("GET", f"/api/jobs/{job_id}/logs")).get("logs") or "")

    def stop(self, job_id: str) -> None:
        """Ask a program to end, which takes some seconds; nothing happens if it is over."""
        self.ask("POST", f"/api/jobs/{job_id}/stop")

    def ask(
        self, method: str, path: str, content: object = None, *, most_s: float = _ANSWER_S, known: bool = True
    ) -> _Answer:
        """One request. `known`: with the token."""
        data = None if content is None else json.dumps(content).encode()
        asked = urllib.request.Request(f"{self.url}{path}", data=data, method=method)
        asked.add_header("Content-Type", "application/json")
        if known:
            asked.add_header("Authorization", f"Bearer {self._token}")
        try:
            with self._opener.open(asked, timeout=most_s) as answer:
                return _Answer(int(answer.status), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return _Answer(error.code, error.read())
        except (OSError, HTTPException) as error:
            if isinstance(getattr(error, "reason", error), ssl.SSLCertVerificationError):
                raise BadSetting(
                    f"This machine does not trust the certificate of {self.url}.",
                    remedy="Name the file of its certificate authority with SSL_CERT_FILE.",
                ) from error
            raise ClusterLost(
                f"No dashboard answers at {self.url}.",
                remedy=f"Check the address and the network. {GUIDE}",
            ) from error

    def _json(self, answer: _Answer) -> dict[str, Any]:
        if answer.status in (401, 403):
            raise wrong_token(self.url)
        try:
            said = json.loads(answer.text) if answer.status == 200 else None
        except ValueError:
            said = None
        if not isinstance(said, dict):  # it is busy, or a proxy answers for it
            raise ClusterLost(
                f"The dashboard at {self.url} answers with {answer.status}.",
                remedy="Look at it in a browser, and try again.",
            )
        return said


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A token goes to the address that a person has named, and to no other."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        return None


def is_dashboard(on: str) -> bool:
    """Whether a cluster is named by the address of its dashboard."""
    return on.lower().startswith(("http://", "https://"))


def open_dashboard(on: str) -> Dashboard:
    """The dashboard at an address, and all that speaks against it, in about a second.

    Args:
        on: https://HOST:PORT, or http:// on this machine itself, such as the end of an SSH tunnel.

    Raises:
        BadSetting: no token, another one, no dashboard of Ray, an open cluster, an address of another kind.
        ClusterLost: nothing answers there.
    """
    found = Dashboard(_checked(on), token_here())
    answer = found.ask("GET", "/api/version", most_s=_KNOCK_S, known=False)
    if answer.status == 200 and b"ray_version" in answer.text:
        raise open_cluster(found.url)
    if answer.status in (401, 403):
        answer = found.ask("GET", "/api/version", most_s=_KNOCK_S)
    if answer.status in (401, 403):
        raise wrong_token(found.url)
    if answer.status != 200 or b"ray_version" not in answer.text:
        raise BadSetting(
            f"{found.url} is not the dashboard of a Ray cluster.",
            remedy="Give the address that `ray start --head` has printed, with its port, usually 8265.",
        )
    return found


def _checked(on: str) -> str:
    try:
        parts = urlsplit(on)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.query or parts.fragment:
        raise BadSetting("This is no address of a dashboard.", remedy="Give one such as https://head:8265.")
    if parts.username is not None or parts.password is not None:
        raise BadSetting(
            "The address of a dashboard holds a name or a password.",
            remedy="Leave it out: the token is taken from RAY_AUTH_TOKEN or ~/.ray/auth_token.",
        )
    if parts.scheme == "http" and not _is_this_machine(host):
        raise BadSetting(
            f"http:// would show the token to all of the network between here and {host}.",
            remedy="Give https://, or make a tunnel (`ssh -L 8265:localhost:8265 HEAD`) "
            "and give http://127.0.0.1:8265.",
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _last_line(text: bytes) -> str:
    lines = text.decode("utf-8", "replace").strip().splitlines()
    return (lines[-1] if lines else "it does not say why").rstrip(".")[:300]
