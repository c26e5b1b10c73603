"""What another site, and a name made to be HTML, can do to the page in a real browser: nothing."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser

from tests.e2e.house import WAIT_MS, House, new_profile

pytestmark = pytest.mark.browser


@contextmanager
def other_site(framed: str) -> Iterator[str]:
    """A site of someone else, on this machine too, that shows a page of ours in a frame."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = f'<h1>Click here</h1><iframe src="{framed}" width="900" height="700"></iframe>'.encode()
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()


@pytest.mark.parametrize("path", ["", "follow", "gradio_api/theme.css"])
def test_another_site_cannot_frame_the_page(browser: Browser, house: House, path: str) -> None:
    context = new_profile(browser)
    page = context.new_page()

    with other_site(f"{house.url}{path}") as site:
        with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
            page.goto(site, wait_until="load")
        frame = next(one for one in page.frames if one.parent_frame is not None)
        frame.wait_for_url(re.compile("^chrome-error:"))  # the browser may refuse after the page has loaded

    context.close()


def test_html_that_gets_into_the_page_runs_nothing(browser: Browser, house: House) -> None:
    context = new_profile(browser)
    page = context.new_page()
    page.goto(house.url)
    page.wait_for_selector("#hs-chip .hs-status", timeout=WAIT_MS)

    page.evaluate(
        """() => { document.querySelector('#hs-chip').insertAdjacentHTML('beforeend',
          '<img id=planted src="data:," onerror="window.ran = 1">'
          + '<a id=link href="javascript:window.ran = 2">x</a>'
          + '<iframe id=framed srcdoc="<script>parent.ran = 3</script>"></iframe>');
          const script = document.createElement('script');
          script.textContent = 'window.ran = 4';
          document.body.append(script); document.querySelector('#link').click(); }"""
    )
    page.wait_for_function("document.querySelector('#planted').complete")
    page.evaluate("() => new Promise((done) => setTimeout(done))")

    assert page.evaluate("window.ran") is None
    context.close()


def test_a_wrong_code_says_what_to_do_and_a_right_one_opens_the_page_that_was_asked_for(
    browser: Browser, locked: tuple[House, str]
) -> None:
    house, code = locked
    context = new_profile(browser)
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.goto(f"{house.url}learn?lesson=which-layer")
    page.fill("input >> nth=0", "ada")
    page.fill("input[type=password]", "wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]:has-text('do not belong together')", timeout=WAIT_MS)
    assert "Incorrect" not in page.inner_text("body")

    page.fill("input >> nth=0", "ada")
    page.fill("input[type=password]", code)
    page.click("button:has-text('Log in')")
    page.wait_for_selector("#hs-learn-predict .answers", timeout=WAIT_MS)
    assert page.url == f"{house.url}learn?lesson=which-layer"
    assert [error for error in errors if "400" not in error] == []
    page.goto(house.url)
    page.wait_for_selector("#hs-chip .hs-status", timeout=WAIT_MS)
    page.click("#hs-logout a")
    page.wait_for_selector("input[type=password]", timeout=WAIT_MS)
    context.close()
