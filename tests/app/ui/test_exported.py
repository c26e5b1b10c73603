from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from headswap.app.ui.exported import ExportedPages
from headswap.app.ui.gateway.routes import is_before_log_in, is_open
from headswap.errors import NotFound

KEY = "0" * 32
PAGE = '<!doctype html>\n<html lang="en">\n<title>Mugs</title>\n</html>\n'


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    (tmp_path / "mugs.html").write_text(PAGE)

    def page_of(key: str) -> Path:
        if key != KEY:
            raise NotFound("There is nothing to follow here.", remedy="Ask for the link again.")
        return tmp_path / "mugs.html"

    beyond = Starlette(routes=[Route("/{path:path}", lambda _: PlainTextResponse("gradio"))])
    return TestClient(ExportedPages(beyond, page_of=page_of), follow_redirects=False)


def test_the_page_stays_on_the_device_and_what_keeps_it_lies_beside_it(client: TestClient) -> None:
    page, worker = client.get(f"/net/{KEY}/"), client.get(f"/net/{KEY}/sw.js")

    assert page.status_code == worker.status_code == 200
    assert '<html lang="en" data-offline="">' in page.text
    assert page.headers["content-security-policy"] == "frame-ancestors 'none'"
    assert worker.headers["content-type"].startswith("text/javascript")
    kept = json.loads(worker.text.partition("FILES = ")[2].partition(";")[0])
    assert kept[0] == "./"
    assert [client.get(f"/net/{KEY}/{name}").headers["content-type"] for name in kept[1:]] == [
        "application/manifest+json", "image/png", "image/png",
    ]  # fmt: skip
    assert client.get(f"/net/{KEY}/manifest.webmanifest").json()["name"] == "Mugs"


def test_a_page_that_is_known_is_not_sent_again(client: TestClient) -> None:
    tag = client.get(f"/net/{KEY}/").headers["etag"]

    again = client.get(f"/net/{KEY}/", headers={"if-none-match": tag})

    assert (again.status_code, again.content) == (304, b"")


def test_the_address_without_its_end_leads_there(client: TestClient) -> None:
    reply = client.get(f"/net/{KEY}")

    assert (reply.status_code, reply.headers["location"]) == (308, f"{KEY}/")


def test_another_key_opens_nothing_and_a_link_changes_nothing(client: TestClient) -> None:
    lost = client.get(f"/net/{'1' * 32}/")

    assert lost.status_code == 404
    assert "There is nothing to follow here." in lost.text
    assert client.post(f"/net/{KEY}/").status_code == 405


@pytest.mark.parametrize("path", ["/", "/net/", "/net/short/", f"/net/{KEY}/other", f"/nets/{KEY}/"])
def test_every_other_address_is_passed_on(path: str, client: TestClient) -> None:
    assert client.get(path).text == "gradio"


def test_the_gate_lets_strangers_to_these_addresses_and_to_no_other_of_that_kind() -> None:
    for end in ("", "/", "/sw.js", "/manifest.webmanifest", "/icon-192.png", "/icon-512.png"):
        assert is_open(f"/net/{KEY}{end}")
        assert is_before_log_in(f"/net/{KEY}{end}")
    for path in (f"/net/{KEY}/x", "/net/", f"/net/{KEY}/sw.js/", f"/net/{KEY}/icon-64.png", f"/net/{KEY}\n"):
        assert not is_open(path)


def test_it_travels_packed(client: TestClient) -> None:
    with client.stream("GET", f"/net/{KEY}/") as reply:
        packed = b"".join(reply.iter_raw())

    assert reply.headers["content-encoding"] == "gzip"
    assert b"Mugs" in gzip.decompress(packed)
