"""A server on this machine that answers as the Hugging Face Hub does when a data set is read.

Flow:  folder of data sets --hub--> an address as in HF_ENDPOINT, and what was asked for
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_reader"  # opens what is private
PAGE = 3  # entries of one answer; the Hub has 1000


class Answers(BaseHTTPRequestHandler):
    """Of the data sets in a folder: `lab/birds`. What has `private` in its name needs a token."""

    def __init__(self, folder: Path, asked: list[str], *more: object) -> None:
        self.folder, self.asked = folder, asked
        super().__init__(*more)  # type: ignore[arg-type]  # answers, and is done

    def do_GET(self) -> None:
        kind, *steps = [unquote(step) for step in urlsplit(self.path).path.strip("/").split("/")]
        is_api = kind == "api"
        if len(steps) < 2 + is_api:  # a question that is not about a data set
            self.send({}, 404)
            return
        owner, name, *rest = steps[is_api:]
        home = self.folder / owner / name
        is_hidden = "private" in name and self.headers.get("Authorization") != f"Bearer {TOKEN}"
        if is_hidden or not home.is_dir():
            # The same for both, so that no one learns which names are taken. Over https 401 alone says it.
            self.send({"error": "Invalid username or password."}, 401, ("X-Error-Code", "RepoNotFound"))
        elif not is_api:  # resolve, main, path
            self.asked.append("/".join(rest[2:]))
            self.send(home.joinpath(*rest[2:]).read_bytes())
        elif rest[:1] == ["tree"]:  # tree, main, path
            self.list(home, home.joinpath(*rest[2:]))
        else:
            self.send({"id": f"{owner}/{name}", "sha": "0" * 40})

    def list(self, home: Path, folder: Path) -> None:
        if not folder.is_dir():
            self.send({"error": "no such entry"}, 404, ("X-Error-Code", "EntryNotFound"))
            return
        entries = [
            {"path": path.relative_to(home).as_posix(), "oid": of_file(path), "size": path.stat().st_size,
             "type": "directory" if path.is_dir() else "file"}
            for path in sorted(folder.iterdir())
        ]  # fmt: skip
        first = int(parse_qs(urlsplit(self.path).query).get("cursor", ["0"])[0])
        after = f"http://{self.headers['Host']}{urlsplit(self.path).path}?cursor={first + PAGE}"
        more = [("Link", f'<{after}>; rel="next"')] if len(entries) > first + PAGE else []
        self.send(entries[first : first + PAGE], 200, *more)

    def send(self, said: object, status: int = 200, *headers: tuple[str, str]) -> None:
        data = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        for header in (("Content-Length", str(len(data))), *headers):
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_said: object) -> None:
        """Nothing."""


def of_file(path: Path) -> str:
    return hashlib.sha1(path.read_bytes() if path.is_file() else b"").hexdigest()


@contextmanager
def hub(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """The address of a server, and the files that it has given."""
    asked: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Answers, folder, asked)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
