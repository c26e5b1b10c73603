"""gradio's scripts and styles are read once, and a browser need not ask for them twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headswap.app.ui.gateway import assets
from headswap.app.ui.gateway.assets import KeptAssets

SCRIPT = "index-DphvyggB.js"


class Counted:
    """Counts what is asked of an app."""

    def __init__(self, app: ASGIApp) -> None:
        self.app, self.asked = app, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += scope["type"] == "http"
        await self.app(scope, receive, send)


@pytest.fixture
def files(tmp_path: Path) -> Counted:
    """An app as gradio is: files below /assets."""
    (tmp_path / SCRIPT).write_text("let one = 1;")
    (tmp_path / "plain.js").write_text("let two = 2;")
    (tmp_path / "Index-reaEz31n.css").write_text("b {}")
    app = Starlette()
    app.mount("/assets", StaticFiles(directory=tmp_path))
    return Counted(app)


def test_a_file_with_a_hash_in_its_name_is_read_once_and_stays_with_the_browser(files: Counted) -> None:
    client = TestClient(KeptAssets(files))

    first, again = client.get(f"/assets/{SCRIPT}"), client.get(f"/assets/{SCRIPT}")

    assert files.asked == 1
    assert first.text == again.text == "let one = 1;"
    assert first.status_code == again.status_code == 200
    assert {**first.headers} == {**again.headers}
    assert again.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "javascript" in again.headers["content-type"]  # text/ or application/: by the system's own table
    assert client.get("/assets/Index-reaEz31n.css").headers["content-type"].startswith("text/css")


def test_whatever_else_is_asked_is_passed_on_each_time(files: Counted) -> None:
    client = TestClient(KeptAssets(files))
    client.get(f"/assets/{SCRIPT}")

    for _ in range(2):
        assert client.get("/assets/plain.js").text == "let two = 2;"
        assert client.get("/assets/lost-DphvyggB.js").status_code == 404
        assert client.get(f"/assets/{SCRIPT}", headers={"range": "bytes=0-2"}).text == "let"
        assert client.head(f"/assets/{SCRIPT}").text == ""
        assert client.get(f"/{SCRIPT}").status_code == 404

    assert files.asked == 1 + 2 * 5


def test_what_others_write_into_an_answer_is_in_no_later_one(files: Counted) -> None:
    async def signed(scope: Scope, receive: Receive, send: Send) -> None:
        async def sign(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"x-person", b"ada"))
            await send(message)

        await kept(scope, receive, sign)

    kept = KeptAssets(files)
    client = TestClient(signed)
    for _ in range(3):
        assert client.get(f"/assets/{SCRIPT}").headers.get_list("x-person") == ["ada"]


def test_memory_has_an_end(files: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "MOST_BYTES", 14)
    client = TestClient(KeptAssets(files))

    for _ in range(2):
        assert client.get(f"/assets/{SCRIPT}").text == "let one = 1;"
        assert client.get("/assets/Index-reaEz31n.css").text == "b {}"

    assert files.asked == 3
