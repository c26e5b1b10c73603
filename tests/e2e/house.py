"""Start the whole house as a person does, and look at it through a real browser.

`app_running` starts `python app.py` on a free port with a workspace of its own;
`Visit` is one browser profile that notes what must never happen: an error on the
console, a request to another host. Used by the tests and by `screenshots`.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Request

from tests.ports import free_port

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "assets" / "sample"
NAME = "Birds & <b>fruit</b>"  # of the project that was saved
PLANTED = "planted-car.png"
STEPS = ("model", "pictures", "teaching", "test", "home")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--no-first-run", "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]  # fmt: skip
CUT_OFF = (
    "AbortError: ",  # "signal is aborted", "BodyStreamBuffer was aborted": each Chromium has its own words
    "Connection errored out",
    "Unexpected error 404: Not Found",
    # gradio closes the stream of a page that asks again while its last question is cut off
    "net::ERR_INCOMPLETE_CHUNKED_ENCODING",
    "TypeError: network error",
)
NARROWED = """(words) => [...document.querySelectorAll('[role=option]')].every(
  (option) => option.innerText.includes(words))"""
DRAWN = "() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"
START_S = 900.0
WAIT_MS = 600_000  # for what a person waits for; a machine may do much else, and goals are printed only


@dataclass
class House:
    """A running app."""

    url: str
    workspace: Path
    seconds_to_start: float
    pid: int

    def newest_job(self) -> sqlite3.Row | None:
        """The job that was begun last, as the server has it."""
        with closing(sqlite3.connect(f"file:{self.workspace / 'jobs.sqlite'}?mode=ro", uri=True)) as store:
            store.row_factory = sqlite3.Row
            row: sqlite3.Row | None = store.execute(
                "SELECT * FROM job ORDER BY sequence DESC LIMIT 1"
            ).fetchone()
        return row

    def newest_worker(self) -> int | None:
        """The process id of the worker that has it, or had it."""
        job = self.newest_job()
        numbers = re.findall(r"\d+", str(job["worker"])) if job else []
        return int(numbers[0]) if numbers else None


@dataclass
class Visit:
    """One browser profile with one page open."""

    page: Page
    host: str
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def note_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def note_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self.host:
            self.strangers.append(request.url)

    @contextmanager
    def answers(self) -> Iterator[None]:
        """What is asked here is answered and drawn at the end: the stream of gradio's answers has ended."""
        ended: list[Request] = []

        def note(request: Request) -> None:
            ended.append(request)

        for end in ("requestfinished", "requestfailed"):  # gradio may break it off after the last answer
            self.page.on(end, note)
        yield
        while not any("/queue/data" in request.url for request in ended):
            self.page.wait_for_timeout(20)
        for end in ("requestfinished", "requestfailed"):
            self.page.remove_listener(end, note)
        self.page.evaluate(DRAWN)

    def reload(self) -> None:
        """Load the page again; what gradio's client says of questions cut off by that is no error of ours."""
        self.page.reload()
        self.wait("#hs-chip .hs-status")
        self.errors[:] = [said for said in self.errors if not any(noise in said for noise in CUT_OFF)]

    def moved_on(self) -> None:
        """Forgive what gradio's client says when one page is left for another in the middle of a question."""
        self.errors[:] = [said for said in self.errors if not any(noise in said for noise in CUT_OFF)]

    def go_home(self) -> None:
        """Leave another page for the five steps."""
        self.page.goto(f"http://{self.host}/")
        self.wait("#hs-chip .hs-status[data-state]")
        self.moved_on()

    def reopened(self) -> Visit:
        """Close the tab, and open a new one in the same browser profile."""
        context, url = self.page.context, self.page.url
        self.page.close()
        self.moved_on()
        self.page = context.new_page()
        self.listen()
        self.page.goto(url)
        self.wait("#hs-chip .hs-status[data-state]")
        return self

    def listen(self) -> None:
        """Note what the page does from now on."""
        self.page.on("console", self.note_console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self.note_request)
        self.page.on("filechooser", lambda chooser: None)  # asked for beforehand, a key is never too early

    def open_step(self, tab: str) -> None:
        """Press a tab: model, pictures, teaching, test or home."""
        self.page.click(f"#hs-{tab}-button")
        self.page.wait_for_selector(f"#hs-{tab}", state="visible")
        if tab == "pictures":  # or what is pressed or chosen before its script has come is lost
            self.wait("#hs-picker .folder[data-ready]", state="attached")

    def wait(self, selector: str, state: str = "visible") -> None:
        """Wait until something is on the page."""
        self.page.wait_for_selector(selector, state=state, timeout=WAIT_MS)  # type: ignore[arg-type]

    def check_layer(self, path: str, *, found: str) -> None:
        """Name another layer as the head; the one that was found may be told while it is typed."""
        field = "#hs-path :is(input, textarea)"
        self.page.fill(field, path)
        self.wait(f"{field}[placeholder='{found}']")
        assert self.page.input_value(field) == path
        self.page.click("#hs-check")
        self.wait(f"#hs-model .mistake:has-text('{path}')")

    def open_project(self, file: Path) -> None:
        """Open a file that Save gave."""
        self.page.click("#hs-open")
        self.wait("#hs-opener")
        self.page.set_input_files("#hs-opener input[type=file]", file)
        self.wait("#hs-chip [data-done~=test]")

    def count_clicks(self) -> None:
        """From now on, count what a person presses with the mouse; what a script clicks is no click."""
        self.page.evaluate(
            "() => { window.pressed = 0; window.addEventListener('click', (happened) => {"
            "if (happened.isTrusted && happened.detail) window.pressed += 1; }, true); }"
        )

    @property
    def clicks(self) -> int:
        return int(self.page.evaluate("window.pressed"))

    def look_for(self, picker: str, words: str) -> None:
        """Type into a list that narrows, until it holds still: before, it moves away under the mouse."""
        self.page.locator(f"{picker} input").first.blur()  # a list that was closed opens by focus only
        self.page.click(f"{picker} input")
        self.wait("[role=option]")
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(words)  # filling it in would press no key, and nothing would be looked for
        self.page.wait_for_function(NARROWED, arg=words, timeout=WAIT_MS)

    def compare(self, *networks: str) -> None:
        """On /runs: choose networks by their names, press, and wait until all have been taught."""
        for name in networks:
            self.look_for("#hs-compare-models", name)
            self.page.click(f"[role=option]:has-text('{name}') >> nth=0")
        self.page.keyboard.press("Escape")
        self.page.click("#hs-compare")
        self.page.wait_for_function(
            """(rows) => document.querySelectorAll('#hs-runs tbody tr').length >= rows
              && !document.querySelector('#hs-runs [data-run^=stop]')""",
            arg=len(networks) + 1, timeout=2 * WAIT_MS,
        )  # fmt: skip

    def packed(self) -> None:
        """In step 5: wait until the zip can be downloaded; every way to ask it is tried before."""
        self.page.wait_for_selector("#hs-download:not([disabled])", timeout=2 * WAIT_MS)

    def use_sample(self) -> None:
        """One press, from the first screen: the sample set is read and Teach is open and ready."""
        self.wait("#hs-sample-first")
        self.page.click("#hs-sample-first")
        self.wait("#hs-teach:not([disabled])")

    def teach_folder(self, folder: Path) -> None:
        """From the first step to a report, with the pictures of a folder."""
        self.open_step("pictures")
        self.page.set_input_files("#hs-picker input[webkitdirectory]", folder)
        self.wait("#hs-classes .klass")
        self.open_step("teaching")
        self.wait("#hs-teach:not([disabled])")
        self.teach()

    def teach(self) -> None:
        """One press: until the report and a first prediction are on the page."""
        self.page.click("#hs-teach")
        self.wait("#hs-verdict .verdict")
        self.wait("#hs-answer .bars")


def chromium_path(playwright: Playwright) -> str | None:
    """A Chromium of the system, else the one that playwright brought; None where there is neither.

    Debian's headless shell is the same browser without the windows around a page, which no test looks at:
    a page is opened for 1.5 seconds of a processor, not for 2.7.
    """
    shell = "chromium-headless-shell"
    for name in (shell, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if found := shutil.which(name):
            return found
    own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


@contextmanager
def app_running(workspace: Path, *options: str, port: int = 0) -> Iterator[House]:
    """Run `python app.py`, on a free port unless one is given; ends only the process it started."""
    port = port or free_port()
    command = [sys.executable, "app.py", "--no-browser", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
    workspace.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with (workspace / "app.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--workspace", str(workspace), *options],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        url = f"http://127.0.0.1:{port}/"
        _wait_until_answered(url, process, workspace / "app.log")
        yield House(url, workspace, time.monotonic() - start, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(timeout=300)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_answered(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"app.py ended with {process.returncode}:\n{log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(url, timeout=60):
                return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)  # polling the port, not waiting for the page
    raise RuntimeError(f"app.py did not answer within {START_S:.0f} s:\n{log.read_text()[-2000:]}")


def new_profile(browser: Browser, **like: Any) -> BrowserContext:
    """A fresh browser profile whose pages are waited for as long as a person would."""
    context = browser.new_context(**like)
    context.set_default_timeout(WAIT_MS)
    return context


@contextmanager
def visiting(
    browser: Browser,
    house: House,
    *,
    width: int = 1280,
    height: int = 900,
    dark: bool = False,
    path: str = "",
) -> Iterator[Visit]:
    """Open a page with a fresh profile; `path` is another one than the five steps."""
    context = new_profile(
        browser,
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        permissions=["camera"],
        reduced_motion="reduce",
    )
    page = context.new_page()
    visit = Visit(page, urlsplit(house.url).netloc)
    visit.listen()
    page.goto(f"{house.url}{path}")
    if not path:
        visit.wait("#hs-chip .hs-status")
    yield visit
    context.close()
