"""A server on this machine with a film, and with everything that a link may lead to instead."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.data.films import disc

FILM = disc(seconds=2.0)
ANSWERS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "/film.mp4": (200, {"Content-Type": "video/mp4"}, FILM),
    "/camera": (200, {"Content-Type": "video/mp4"}, FILM),
    "/watch": (200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>Log in"),
    "/stream.m3u8": (200, {"Content-Type": "application/vnd.apple.mpegurl"}, b"#EXTM3U\n"),
    "/text.mp4": (200, {"Content-Type": "application/octet-stream"}, b"no film at all"),
    "/empty.mp4": (200, {"Content-Type": "video/mp4", "Content-Length": "0"}, b""),
    "/half.mp4": (200, {"Content-Type": "video/mp4", "Content-Length": str(2 * len(FILM))}, FILM),
    "/long.mp4": (200, {"Content-Type": "video/mp4", "Content-Length": "10000000000"}, b""),
    "/private.mp4": (403, {}, b""),
    "/login.mp4": (401, {}, b""),
    "/broken.mp4": (500, {}, b""),
    "/hop": (302, {"Location": "/film.mp4"}, b""),
    "/disk": (302, {"Location": "file:///etc/hosts"}, b""),
    "/ring": (302, {"Location": "/ring"}, b""),
}


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        code, headers, data = ANSWERS.get(self.path.partition("?")[0], (404, {}, b""))
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def film_server() -> Iterator[str]:
    """Its address, without a slash at the end."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
