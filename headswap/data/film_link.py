"""A link to a film -> the film in a folder of this machine, whole or not at all.

Flow:  http(s) address --fetch_film--> bytes so far, again and again; in the end the file
       the same --film--> a class folder, once the decoder has read frames of it

A link that leads to a page, to half of a film or to nothing leaves nothing behind. Where strangers name
addresses (the page), none of this machine or its network is connected to: the very address that is checked is
the one that is connected to, after every redirect again, so a name that leads elsewhere the second time leads
nowhere.

Knows addresses and films: no classes, no networks.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import ssl
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from headswap.data.decode import ImageLimits, shown_name
from headswap.data.film import FILM_ENDINGS, frames_of, is_film
from headswap.errors import BadSetting, BadUpload, UnreadableImage
from headswap.events import Listener, Progress, silent
from headswap.storage.files import make_folder, replacing, write_bytes

MOST_BYTES = ImageLimits().size_bytes  # of one film: the most that any file may have
_TIMEOUT_S = 15.0  # to connect, and for each block
_LONGEST_S = 1_800.0  # for all of it: a server that sends a byte a second ends here
_BLOCK_BYTES = 1 << 18
_LONGEST_NAME = 80  # letters of a file's name
_KINDS = {
    "video/mp4": ".mp4", "video/quicktime": ".mov", "video/x-m4v": ".m4v", "video/webm": ".webm",
    "video/x-matroska": ".mkv", "video/x-msvideo": ".avi", "video/3gpp": ".3gp", "video/mp2t": ".mts",
}  # fmt: skip
_OTHER_LINK = "Open it in a browser: a link that is right plays or saves a film, such as …/film.mp4."


@dataclass(frozen=True, kw_only=True)
class FetchedFilm:
    """A film that was fetched."""

    path: str  # where it lies now
    size: int  # bytes
    frames: int  # that it gives


@dataclass(frozen=True, kw_only=True)
class FilmProgress:
    """How much of a film has come."""

    done: int  # bytes
    total: int  # 0: the server does not say


def film(link: str, folder: str | Path, *, listener: Listener = silent) -> FetchedFilm:
    """Fetch a film from a link into a class folder, where `train` takes its sharpest frames.

    The frames of one film are one thing: none of them is in the test while others are in train.

    Args:
        link: an http or https address of a film file, of this machine's network too; at most 200 MB.
        folder: a class folder, such as `mugs/cup`; it is made if it is not there.
        listener: hears Progress("film") in bytes; may raise `Cancelled`, which leaves nothing behind.

    Raises:
        BadSetting: no such address.
        BadUpload: no one answers, there is no film, it is too large, or it cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="headswap-film-") as own:
        coming = Path(own)
        for said in fetch_film(link, coming):
            listener(Progress("film", said.done, said.total, unit="bytes"))
        (path,) = coming.iterdir()
        data = path.read_bytes()
        try:
            frames = frames_of(
                data,
                name=path.name,
                alive=lambda: listener(Progress("film", len(data), len(data), unit="bytes")),
            )
        except UnreadableImage as error:
            raise BadUpload(error.problem, remedy=error.remedy) from error
        target = _free(make_folder(Path(folder)) / path.name)
        write_bytes(target, data)
    return FetchedFilm(path=str(target), size=len(data), frames=len(frames))


def fetch_film(
    link: str, folder: Path, *, most_bytes: int = MOST_BYTES, is_local_allowed: bool = True
) -> Generator[FilmProgress, None, None]:
    """Fetch a film in steps; a caller that asks for no more of them has stopped it, and nothing is left.

    Args:
        link: an http or https address.
        folder: where the film goes, under its own name; nothing else goes there.
        most_bytes: a larger one is refused, by what the server says and by what comes.
        is_local_allowed: False: addresses of this machine and of private networks are refused.

    Raises: as for `film`; whether the file can be read as a film is not checked.
    """
    address = check_link(link)
    shown = shown_name(address, most=200)
    with _explained(shown), _opener(is_local_allowed).open(_request(address), timeout=_TIMEOUT_S) as reply:
        total = _checked_reply(reply, shown, most_bytes)
        done, began = 0, time.monotonic()
        with replacing(folder / _name_of(reply)) as draft:
            yield FilmProgress(done=0, total=total)
            while block := reply.read1(_BLOCK_BYTES):
                done += len(block)
                _check_size(done, shown, most_bytes)
                _check_time(began, shown)
                draft.write(block)
                yield FilmProgress(done=done, total=total)
            if done < total or not done:
                raise ConnectionError(f"{done} of {total} bytes came")


def check_link(link: str) -> str:
    """An address that may be asked for, in ASCII.

    Raises:
        BadSetting: it is none.
    """
    link = link.strip()
    try:
        parts = urlsplit(link)
        host, _ = parts.hostname or "", parts.port  # a port that is no number raises
        host = host.encode("idna").decode("ascii") if not host.isascii() else host
    except (ValueError, UnicodeError):
        parts, host = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or not host or re.search(r"[\s\x00-\x1f\x7f]", link):
        raise BadSetting(
            f"{shown_name(link, most=200) or 'Nothing'} is no link to a film.",
            remedy="Give one that begins with https:// or http://.",
        )
    if parts.username is not None:
        raise BadSetting(
            "The link holds a name or a password, and would show it to everyone who reads it.",
            remedy="Give a link that needs none, or download the film yourself and give the file.",
        )
    port = f":{parts.port}" if parts.port else ""
    named = f"[{host}]" if ":" in host else host
    quoted = quote(f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}",
                                  safe="/%?&=+,:;@!$'()*~-._")  # fmt: skip
    return f"{parts.scheme}://{named}{port}{quoted}"


def _request(address: str) -> urllib.request.Request:
    return urllib.request.Request(address, headers={"User-Agent": "headswap", "Accept": "video/*, */*"})


def _checked_reply(reply: Any, shown: str, most_bytes: int) -> int:
    """Whether what begins to come may be a film; its size in bytes, 0 where the server does not say."""
    kind = reply.headers.get_content_type()
    if kind in ("text/html", "application/xhtml+xml"):
        raise BadUpload(
            f"{shown} leads to a web page and not to a film; it may be one to log in.", remedy=_OTHER_LINK
        )
    if kind in ("application/vnd.apple.mpegurl", "application/x-mpegurl", "application/dash+xml"):
        raise BadUpload(
            f"{shown} is a list of pieces of a stream and not a film.",
            remedy="Save it as one file, such as MP4, and give that.",
        )
    said = reply.headers.get("Content-Length") or ""
    total = int(said) if said.isdecimal() else 0
    _check_size(total, shown, most_bytes)
    return total


def _check_size(size: int, shown: str, most_bytes: int) -> None:
    if size > most_bytes:
        raise BadUpload(
            f"{shown} is larger than {most_bytes // 2**20:,} MB, the most that may come.",
            remedy="Cut it shorter, or save it smaller: 640 pixels are enough.",
        )


def _check_time(began: float, shown: str) -> None:
    if time.monotonic() - began > _LONGEST_S:
        raise BadUpload(
            f"{shown} has not come in {_LONGEST_S / 60:.0f} minutes.",
            remedy="Download it yourself, and give the file.",
        )


def _name_of(reply: Any) -> str:
    """What the film is called here: as its server calls it, in letters that every disk knows."""
    last = unquote(PurePosixPath(urlsplit(reply.url).path).name)
    name = re.sub(r"[^\w. -]+", "_", reply.headers.get_filename() or last).strip(". ")
    if not is_film(name):
        name = f"{name}{_KINDS.get(reply.headers.get_content_type(), FILM_ENDINGS[0])}"
    path = PurePosixPath(name)
    return f"{path.stem[:_LONGEST_NAME].rstrip('. ') or 'film'}{path.suffix.lower()}"


def _free(wanted: Path) -> Path:
    """The name, or the first of name-2, name-3, ... that is free."""
    number, path = 2, wanted
    while path.exists():
        number, path = number + 1, wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
    return path


@contextmanager
def _explained(shown: str) -> Iterator[None]:
    """What goes wrong on the way, in two sentences."""
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (401, 403, 407):
            raise BadUpload(
                f"{shown} needs a login ({error.code}).",
                remedy="Download the film yourself, and give the file.",
            ) from error
        if error.code in (404, 410):
            raise BadUpload(
                f"There is nothing at {shown} ({error.code}).", remedy="Check the link."
            ) from error
        raise BadUpload(
            f"{shown} answers {error.code}.", remedy="Try again later, or check the link."
        ) from error
    except ssl.SSLError as error:
        raise _unproved(shown) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLError):
            raise _unproved(shown) from error
        raise _silent(shown) from error
    except (TimeoutError, ConnectionError, socket.gaierror, http.client.HTTPException) as error:
        raise _silent(shown) from error


def _silent(shown: str) -> BadUpload:
    return BadUpload(
        f"{shown} does not answer, or broke off.",
        remedy="Check the link and whether this machine is online, and try again.",
    )


def _unproved(shown: str) -> BadUpload:
    return BadUpload(
        f"{shown} cannot prove that it is that server.",
        remedy="Download the film yourself, and give the file.",
    )


# --- which addresses are connected to ------------------------------------------------------------------


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet: not of this machine, its network, or a tunnel to them."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if inner is None and found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast and not found.is_reserved


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def _public_socket(connection: http.client.HTTPConnection) -> socket.socket:
    """Connect to an address that was checked itself: no one resolves the name once more.

    Raises:
        BadUpload: the name leads to this machine or into its network.
    """
    found = socket.getaddrinfo(connection.host, connection.port, type=socket.SOCK_STREAM)
    if not all(is_public(str(one[4][0])) for one in found):
        raise BadUpload(
            f"{shown_name(connection.host)} leads into a network that only this server can see.",
            remedy="Download the film yourself, and give the file. The person who started the server may "
            "allow such links with --local-links.",
        )
    problem: OSError = socket.gaierror(f"{connection.host} has no address")
    for _, _, _, _, address in found:
        try:
            return socket.create_connection((str(address[0]), connection.port), timeout=connection.timeout)
        except OSError as error:
            problem = error
    raise problem


class _PublicConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = _public_socket(self)


class _PublicTlsConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        context = ssl.create_default_context()
        self.sock = context.wrap_socket(_public_socket(self), server_hostname=self.host)


class _PublicHttp(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_PublicConnection, request)


class _PublicHttps(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_PublicTlsConnection, request)


def _opener(is_local_allowed: bool) -> urllib.request.OpenerDirector:
    """Speaks HTTP only, after a redirect too; a proxy would resolve names itself, out of our sight."""
    opener = urllib.request.OpenerDirector()
    ours: tuple[urllib.request.BaseHandler, ...] = (_PublicHttp(), _PublicHttps())
    if is_local_allowed:
        ours = (urllib.request.ProxyHandler(), urllib.request.HTTPHandler(), urllib.request.HTTPSHandler())
    others = (
        urllib.request.HTTPRedirectHandler(), urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(), urllib.request.UnknownHandler(),
    )  # fmt: skip
    for handler in (*ours, *others):
        opener.add_handler(handler)
    return opener
