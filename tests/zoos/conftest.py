"""A real server on 127.0.0.1 for everything that fetches, and the weights that lie next to the project."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch

SHARED = Path(__file__).parents[2].parent / "shared"


@dataclass
class Shelf:
    """What the server hands out; a test puts files on it by address path."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    error_code: str = ""  # sent with every 404, as the hub does
    cut_after: int | None = None  # bytes, then the line goes dead
    asked: list[str] = field(default_factory=list)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def never_sleeping(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait between two tries makes the test fail, however quick or slow this machine is."""

    def sleep(seconds: float) -> None:
        pytest.fail(f"the code sleeps for {seconds} s")

    monkeypatch.setattr(time, "sleep", sleep)


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    shelf = Shelf()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            shelf.asked.append(f"{self.command} {self.path}")
            data = shelf.files.get(self.path)
            self.send_response(200 if data is not None else 404)
            for name, value in shelf.headers.items():
                self.send_header(name, value)
            if data is not None:
                self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            if data is None and shelf.error_code:
                self.send_header("X-Error-Code", shelf.error_code)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            if with_body and data is not None:
                self.wfile.write(data if shelf.cut_after is None else data[: shelf.cut_after])

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    shelf.url = f"http://127.0.0.1:{server.server_port}"
    yield shelf
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def squeezenet_file() -> Path:
    path = SHARED / "weights" / "torchvision_squeezenet1_1.safetensors"
    if not path.is_file():
        pytest.skip("the real SqueezeNet weights are not next to the project")
    return path


@pytest.fixture
def cat_images() -> list[Path]:
    folder = SHARED / "data" / "cats_dogs" / "cat"
    if not folder.is_dir():
        pytest.skip("the cats and dogs are not next to the project")
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))[:20]


@pytest.fixture
def hub_shelf(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """The shelf in the place of the Hugging Face hub, with an empty cache."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", shelf.url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", shelf.url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    shelf.error_code = "EntryNotFound"
    shelf.headers["X-Repo-Commit"] = "a" * 40
    return shelf
