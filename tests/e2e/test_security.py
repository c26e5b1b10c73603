"""What another site, and a name made to be HTML, can do to the page in a real browser: nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from headswap.service.codes import add
from tests.e2e.house import WAIT_MS, House, app_running

pytestmark = pytest.mark.browser

OTHER = "http://another.example/"


def test_another_site_cannot_frame_the_page(browser: Browser, house: House) -> None:
    context = browser.new_context()
    page = context.new_page()
    framing = f'<h1>Click here</h1><iframe src="{house.url}" width="900" height="700"></iframe>'
    context.route(f"{OTHER}**", lambda route: route.fulfill(body=framing, content_type="text/html"))
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))

    page.goto(OTHER, wait_until="load")

    frame = next(one for one in page.frames if one.parent_frame is not None)
    assert frame.locator("gradio-app, #hs-steps, #hs-chip").count() == 0
    assert frame.url.startswith("chrome-error:")
    assert any("frame" in words for words in said), said
    context.close()


def test_html_that_gets_into_the_page_runs_nothing(browser: Browser, house: House) -> None:
    context = browser.new_context()
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
    browser: Browser, tmp_path: Path
) -> None:
    codes = add(tmp_path / "class.json", ("ada",))
    with app_running(tmp_path / "workspace", "--auth", str(tmp_path / "class.json")) as house:
        context = browser.new_context(java_script_enabled=True)
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
        page.fill("input[type=password]", codes["ada"])
        page.click("button:has-text('Log in')")
        page.wait_for_selector("#hs-learn-predict .answers", timeout=WAIT_MS)
        assert page.url == f"{house.url}learn?lesson=which-layer"
        assert [error for error in errors if "400" not in error] == []
        page.goto(house.url)
        page.wait_for_selector("#hs-chip .hs-status", timeout=WAIT_MS)
        page.click("#hs-logout a")
        page.wait_for_selector("input[type=password]", timeout=WAIT_MS)
        context.close()
