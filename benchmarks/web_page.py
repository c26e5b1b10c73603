"""Does the exported web page say what the bundle says, in a real browser, and how long does it take?

    python -m benchmarks.web_page BUNDLE PHOTOS [--most N] [--browser firefox] [--served]

The page is opened from its file, or from 127.0.0.1 with --served. Chromium is driven by Playwright, Firefox
by its own WebDriver BiDi (`pip install websockets`; firefox or firefox-esr on the path). Times are of the
processor, over all processes of the browser.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import itertools
import json
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import psutil
from PIL import Image

from headswap import export
from headswap.bundle.predictor import Bundle, load_bundle

Ask = Callable[[str], Awaitable[str]]  # an expression to the string it gives
STATE = "JSON.stringify({...document.documentElement.dataset})"
PREDICT = """(async () => {
  const bytes = Uint8Array.from(atob("%s"), (letter) => letter.charCodeAt(0));
  const { probabilities, unlike } = await net.predict(new Blob([bytes]));
  return JSON.stringify({ probabilities, unlike });
})()"""
PORT = 9333


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@asynccontextmanager
async def chromium(url: str) -> AsyncIterator[Ask]:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        print(f"Chromium {browser.version}")
        page = await browser.new_page()
        await page.goto(url)
        yield page.evaluate
        await browser.close()


@asynccontextmanager
async def firefox(url: str) -> AsyncIterator[Ask]:
    import websockets

    program = shutil.which("firefox") or shutil.which("firefox-esr") or "firefox"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        words = ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", str(PORT)]
        process = await asyncio.create_subprocess_exec(program, *words, stderr=asyncio.subprocess.PIPE)
        assert process.stderr
        while "BiDi listening" not in (await process.stderr.readline()).decode():
            pass
        numbers = itertools.count()
        try:
            async with websockets.connect(f"ws://127.0.0.1:{PORT}/session", max_size=None) as line:

                async def call(method: str, **params: object) -> dict:
                    number = next(numbers)
                    await line.send(json.dumps({"id": number, "method": method, "params": params}))
                    while (said := json.loads(await line.recv())).get("id") != number:
                        pass
                    if said["type"] == "error":
                        raise RuntimeError(said["message"])
                    return said["result"]

                session = await call("session.new", capabilities={})
                print(f"Firefox {session['capabilities']['browserVersion']}")
                context = (await call("browsingContext.getTree"))["contexts"][0]["context"]
                await call("browsingContext.navigate", context=context, url=url, wait="complete")

                async def ask(expression: str) -> str:
                    target = {"context": context}
                    said = await call(
                        "script.evaluate", expression=expression, target=target, awaitPromise=True
                    )
                    if said["type"] != "success":
                        raise RuntimeError(said["exceptionDetails"]["text"])
                    return said["result"]["value"]

                yield ask
        finally:
            process.terminate()
            await process.wait()


def cpu_s() -> float:
    """Of all processes that this one started."""
    total = 0.0
    for one in psutil.Process().children(recursive=True):
        try:
            times = one.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
    return total


async def asked(ask: Ask, data: bytes) -> tuple[dict, float]:
    expression = PREDICT % base64.b64encode(data).decode()
    before = cpu_s()
    said = json.loads(await ask(expression))
    return said, 1000 * (cpu_s() - before)


async def measure(browser: str, url: str, bundle: Bundle, photos: list[Path]) -> None:
    started = time.perf_counter()
    async with {"chromium": chromium, "firefox": firefox}[browser](url) as ask:
        state: dict[str, str] = {}
        while "proof" not in state and "failed" not in state:
            state = json.loads(await ask(STATE))
            if "ready" in state and started:
                print(f"ready {time.perf_counter() - started:.1f} s after the start, {cpu_s():.1f} s of CPU")
                started = 0.0
            await asyncio.sleep(0.05)
        print(f"its own proof: {state.get('proof') or state.get('failed')}")
        differences, unlikes, same, cpu = [], [], 0, []
        for photo in photos:
            expected = bundle.predict(photo)
            said, ms = await asked(ask, photo.read_bytes())
            shares = said["probabilities"]
            differences.append(
                max(abs(shares[name] - value) for name, value in expected.probabilities.items())
            )
            if expected.ood_score is not None:
                unlikes.append(abs(said["unlike"] - expected.ood_score))
            same += max(shares, key=shares.get) == expected.label
            cpu.append(ms)
        large = io.BytesIO()
        Image.open(photos[0]).convert("RGB").resize((4000, 3000)).save(large, "JPEG", quality=90)
        said, large_ms = await asked(ask, large.getvalue())
        expected = bundle.predict(large.getvalue())
        apart = max(abs(said["probabilities"][name] - one) for name, one in expected.probabilities.items())
    print(f"same name {same} of {len(photos)}, largest difference {max(differences):.1e}")
    print(f"`unlike`: largest difference {max(unlikes, default=0):.1e}")
    print(f"CPU of one prediction: median {sorted(cpu)[len(cpu) // 2]:.0f} ms")
    print(f"a JPEG of 12 megapixels: {large_ms:.0f} ms of CPU, difference {apart:.1e}")


def main() -> None:
    choices = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    choices.add_argument("bundle", type=Path)
    choices.add_argument("photos", type=Path, help="a folder of JPEG files")
    choices.add_argument("--most", type=int, default=20)
    choices.add_argument("--browser", choices=("chromium", "firefox"), default="chromium")
    choices.add_argument("--served", action="store_true", help="from 127.0.0.1 instead of from the file")
    chosen = choices.parse_args()
    photos = sorted(chosen.photos.rglob("*.jpg"))
    photos = photos[:: max(1, len(photos) // chosen.most)][: chosen.most]
    with tempfile.TemporaryDirectory() as place:
        page = Path(place) / "page.html"
        export(chosen.bundle, page)
        print(f"page: {page.stat().st_size / 1e6:.1f} MB")
        with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=place)) as host:
            Thread(target=host.serve_forever, daemon=True).start()
            url = f"http://127.0.0.1:{host.server_port}/page.html" if chosen.served else page.as_uri()
            asyncio.run(measure(chosen.browser, url, load_bundle(chosen.bundle), photos))
            host.shutdown()


if __name__ == "__main__":
    main()
