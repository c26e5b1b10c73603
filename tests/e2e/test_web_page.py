"""The exported page in a real browser: the same answers as the bundle, from a file and without a network."""

from __future__ import annotations

import json
import re
import zipfile
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page

from headswap import export
from headswap.bundle.heatmap import heat_of, overlay
from headswap.bundle.predictor import Bundle, load_bundle
from headswap.exports.parity import BOUND
from headswap.exports.webpage import files_next_to, pack_site
from tests.e2e.house import SAMPLE, WAIT_MS, Visit, new_profile

pytestmark = pytest.mark.browser

CLOSE, UNLIKE_CLOSE = 1e-5, 1e-4
OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def pages(bundle: Path, wide_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    for name, source in (("last", bundle), ("wide", wide_bundle)):
        export(source, folder / f"{name}.html")
    return {"last": folder / "last.html", "wide": folder / "wide.html"}


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Open an address in a fresh profile; no stranger may be asked, and nothing be said on the console."""
    said: list[str] = []
    asked: list[str] = []
    contexts = []

    def opened(url: str, **like: Any) -> Page:
        context = new_profile(browser, **like)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url)
        page.wait_for_selector("html[data-ready]", state="attached", timeout=WAIT_MS)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []
    strangers = [url for url in asked if not url.startswith(("file:", "blob:", "data:", "http://127.0.0.1:"))]
    assert strangers == []


def answer(page: Page, picture: Path) -> dict[str, Any]:
    """What the page says of a file."""
    page.evaluate("delete document.querySelector('#result').dataset.label")
    page.set_input_files("input[type=file] >> nth=0", picture)
    page.wait_for_selector("#result[data-label]", state="attached", timeout=WAIT_MS)
    said = page.evaluate("({...document.querySelector('#result').dataset})")
    return {
        "label": said["label"],
        "probabilities": json.loads(said["probabilities"]),
        "unlike": float(said["unlike"]) if said["unlike"] else None,
    }


def shown(page: Page) -> NDArray[np.uint8]:
    """The picture on the page, (height, width, 3)."""
    drawn = page.evaluate("document.querySelector('#seen').toDataURL('image/png')")
    return np.asarray(Image.open(BytesIO(b64decode(drawn.partition(",")[2]))).convert("RGB"))


def proof(page: Page) -> dict[str, Any]:
    page.wait_for_selector("html[data-proof]", state="attached", timeout=WAIT_MS)
    found: dict[str, Any] = json.loads(page.evaluate("document.documentElement.dataset.proof"))
    return found


def check_same(page: Page, bundle: Bundle, picture: Path) -> None:
    said, expected = answer(page, picture), bundle.predict(picture)
    assert said["label"] == expected.label
    assert said["probabilities"] == pytest.approx(expected.probabilities, abs=CLOSE)
    assert (said["unlike"] is None) == (expected.ood_score is None)
    if expected.ood_score is not None:
        assert said["unlike"] == pytest.approx(expected.ood_score, abs=UNLIKE_CLOSE)
        assert page.is_visible("#unlike") == expected.is_ood


def check_proved(page: Page, bundle: Bundle) -> None:
    """It says what the bundle says of eight pictures, and of its own drawings."""
    for picture in sorted((SAMPLE / "try").iterdir())[:8]:
        check_same(page, bundle, picture)

    told = proof(page)
    assert (told["same"], told["of"]) == (6, 6)
    assert told["largest"] < CLOSE
    assert "same answers" in page.inner_text("#proof")


def test_a_page_that_is_a_file_says_what_the_bundle_says_and_proves_it_of_files_and_of_frames(
    pages: dict[str, Path], bundle: Path, open_page: OpenPage, tmp_path: Path
) -> None:
    loaded = load_bundle(bundle)
    page = open_page(pages["last"].as_uri(), viewport={"width": 390, "height": 844}, permissions=["camera"])
    check_proved(page, loaded)

    page.evaluate("delete document.querySelector('#result').dataset.label")
    page.click("#camera")
    page.wait_for_selector("#keep:visible")
    page.wait_for_selector("#result[data-label]")
    with page.expect_download() as download:
        page.click("#keep")
    download.value.save_as(tmp_path / "frame.png")  # kept without loss
    page.click("#camera")
    page.wait_for_selector("#keep", state="hidden")
    check_same(page, loaded, tmp_path / "frame.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = "
        "() => Promise.reject(new DOMException('no', 'NotAllowedError')); }"
    )
    page.click("#camera")
    page.wait_for_selector("#note:text('not allowed here')")
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing more")
    page.set_input_files("input[type=file] >> nth=0", tmp_path / "cut.jpg")
    page.wait_for_selector("#note:text('cut.jpg is ')")


def test_one_that_reads_every_layer_shows_where_it_looked_and_axe_finds_nothing_on_any_width(
    pages: dict[str, Path], wide_bundle: Path, open_page: OpenPage
) -> None:
    loaded = load_bundle(wide_bundle)
    page = open_page(pages["wide"].as_uri())
    check_proved(page, loaded)
    picture = sorted((SAMPLE / "try").iterdir())[0]
    label = loaded.classes.index(answer(page, picture)["label"])

    page.check("#where")

    seen = loaded.prepare(picture)
    lit = np.asarray(Image.open(BytesIO(overlay(seen, heat_of(loaded, seen, label)))))
    assert np.abs(shown(page).astype(int) - lit).max() <= 1  # of 255
    page.uncheck("#where")
    assert np.array_equal(shown(page), seen)

    page.check("#where")
    page.evaluate("document.querySelector('#label').textContent = 'مرحبا بالعالم'")  # runs from right to left
    name, sure = page.locator("#label").bounding_box(), page.locator("#sure").bounding_box()
    assert name
    assert sure
    assert sure["x"] >= name["x"] + name["width"]  # or its figure would stand before the name
    for width in (320, 360, 1100):
        page.set_viewport_size({"width": width, "height": 800})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            judged = Axe().run(page).response
            assert judged["passes"], "axe has judged nothing"
            assert [one["id"] for one in judged["violations"]] == [], (width, scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


OTHER = (  # a page of another network on the same host
    '<!doctype html><html lang="en"><title>Other</title>\n'
    '<script>navigator.serviceWorker.register("sw.js")</script>'
)


def with_another_first_answer(page: str) -> str:
    """The same page, but the program that was measured had another answer to its first drawing."""
    first = re.search(r'"probabilities": \[([0-9.e-]+), ([0-9.e-]+)', page)
    assert first is not None
    altered = f'"probabilities": [{float(first[1]) + 2 * BOUND}, {first[2]}'
    return page.replace(first[0], altered, 1)


def test_a_host_serves_it_to_programs_and_to_home_screens_that_keep_it_beside_another_and_are_warned_in_time(
    pages: dict[str, Path], bundle: Path, open_page: OpenPage, browser: Browser, tmp_path: Path
) -> None:
    altered = with_another_first_answer(pages["last"].read_text(encoding="utf-8"))
    (tmp_path / "altered.html").write_text(altered, encoding="utf-8")
    pack_site(tmp_path / "altered.html", tmp_path / "site.zip")
    with zipfile.ZipFile(tmp_path / "site.zip") as packed:
        packed.extractall(tmp_path / "site")
    (tmp_path / "site" / "other").mkdir()
    for name, content in {"index.html": OTHER, **files_next_to(OTHER)}.items():
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "site" / "other" / name).write_bytes(data)
    picture = SAMPLE / "try" / "bird_hen_01.png"
    expected = load_bundle(bundle).predict(picture)

    with served(tmp_path / "site") as url:
        page = new_profile(browser).new_page()
        page.goto(f"{url}example.html")
        page.wait_for_selector("#file:not([disabled])", timeout=WAIT_MS)
        assert "bird" in page.inner_text("#said")
        page.set_input_files("#file", picture)
        page.wait_for_selector(f"#said:has-text('{expected.label}'):not(:has-text('It knows'))")
        page.context.close()
        phone = open_page(url)
        assert answer(phone, picture)["label"] == expected.label
        assert proof(phone)["same"] == 5
        assert phone.is_visible("#doubt")  # this browser answers otherwise
        assert "Careful" in phone.inner_text("#proof")
        phone.evaluate("navigator.serviceWorker.ready")
        asked = phone.context.new_cdp_session(phone)
        errors = asked.send("Page.getInstallabilityErrors")["installabilityErrors"]
        assert [one["errorId"] for one in errors] in ([], ["in-incognito"])  # a fresh profile is one
        assert asked.send("Page.getAppManifest")["errors"] == []
        phone.goto(f"{url}other/")
        phone.evaluate("navigator.serviceWorker.ready")

    phone.goto(url)  # the host is gone
    phone.wait_for_selector("html[data-ready]", state="attached", timeout=WAIT_MS)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A web host of plain files, on this machine only."""
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as host:
        Thread(target=host.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{host.server_port}/"
        host.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing on the console of a test."""


def test_step_5_makes_it_and_a_link_opens_it_on_phones_also_without_the_server(
    taught: Visit, browser: Browser, tmp_path: Path
) -> None:
    page = taught.page
    taught.open_step("home")
    page.click("#hs-web-page [data-do=make]")
    taught.wait("#hs-web-page [data-state=ready]")
    with page.expect_download() as download:
        page.click("#hs-page-file")
    assert download.value.suggested_filename.endswith(".html")
    page.click("#hs-teachable-machine [data-do=make]")
    page.click("#hs-web-page [data-do=share]")
    url = page.inner_text("#hs-page-link .url")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/net/[0-9a-f]{32}/", url)

    context = new_profile(browser, viewport={"width": 390, "height": 844})
    phone = context.new_page()
    phone.goto(url)
    phone.wait_for_selector("html[data-proof]", state="attached", timeout=WAIT_MS)
    label = answer(phone, SAMPLE / "try" / "bird_hen_01.png")["label"]
    phone.evaluate("navigator.serviceWorker.ready")
    context.set_offline(True)
    phone.goto(url)
    phone.wait_for_selector("html[data-ready]", state="attached", timeout=WAIT_MS)
    assert answer(phone, SAMPLE / "try" / "bird_hen_01.png")["label"] == label
    context.close()

    # A head on every layer fits no such program; which head won differs between processors.
    taught.wait("#hs-teachable-machine :is([data-state=failed], [data-state=ready])")
    failed = page.is_visible("#hs-teachable-machine [data-state=failed]")
    said = "the last layer" if failed else "these programs name"
    assert said in page.inner_text("#hs-teachable-machine")

    page.click("#hs-page-link [data-do=unshare]")
    page.wait_for_selector("#hs-page-link .url", state="detached")
    stranger = new_profile(browser)
    reply = stranger.request.get(url)
    assert reply.status == 404
    stranger.close()
