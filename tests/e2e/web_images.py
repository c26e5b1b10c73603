"""The page's image reading next to Python's: the same bytes through both, compared by hash.

`python -m tests.e2e.web_images FOLDER...` compares every JPEG and PNG under the folders and every made image,
and measures; the tests take a part of that.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, Route, sync_playwright

from headswap.data.transforms import wanted_px
from headswap.exports import webpage
from headswap.exports.templates import pictures
from headswap.network import InputSpec
from headswap.storage.files import to_plain
from tests.e2e import made_images as made
from tests.e2e.house import FLAGS, ROOT, WAIT_MS, chromium_path
from tests.e2e.made_images import mosaic, saved

WEB = ROOT / "headswap" / "exports" / "web"
MODULES = webpage._IN_WORKER[:-1]  # all but the network
TIMES = 9
BATCH_BYTES = 8_000_000
Case = tuple[str, bytes]

BASE = InputSpec()
SMALL = replace(BASE, height=28, width=28, resize_px=28)  # read as for BASE, and prepared in a moment
GREY = replace(BASE, channels=1, mean=(0.5,), std=(0.5,))
SPECS = (
    *(replace(BASE, interpolation=name) for name in ("nearest", "bilinear", "bicubic", "lanczos")),
    *(replace(BASE, interpolation=name) for name in ("box", "hamming")),
    replace(BASE, crop_mode="border"),
    replace(BASE, crop_mode="border", height=192, width=256, channel_order="BGR"),
    replace(BASE, crop_mode="border", interpolation="nearest", height=97, width=60),
    replace(BASE, crop_mode="squash"),
    replace(BASE, crop_mode="squash", squash_px=(250, 240), height=240, width=224),
    replace(BASE, crop_mode="squash", squash_px=(180, 200), interpolation="bilinear"),  # smaller than the cut
    replace(BASE, height=192, width=256, resize_px=219),
    replace(BASE, height=256, width=192, resize_px=219, interpolation="bilinear"),
    replace(BASE, channel_order="BGR"),
    replace(BASE, height=299, width=299, resize_px=342),
    replace(BASE, height=256, width=256, resize_px=224),  # smaller than the cut
    replace(BASE, height=384, width=384, resize_px=384),
    replace(BASE, height=518, width=518, resize_px=518),
    SMALL,
    GREY,
    replace(GREY, crop_mode="border", mean=(0.3,), std=(0.2,)),
    replace(GREY, crop_mode="squash", interpolation="nearest"),
)  # fmt: skip

RUN = """async ([cases, spec]) => {
  const hex = async (...parts) => {
    const digest = await crypto.subtle.digest("SHA-256", await new Blob(parts).arrayBuffer());
    return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  const answers = [];
  for (const text of cases) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    try {
      const image = await readImage(bytes, spec), pixels = prepare(image, spec);
      answers.push([`${image.width} x ${image.height}`, await hex(image.rgb), await hex(pixels),
        await hex(normalize(pixels, spec)), image.exact]);
    } catch (error) {
      if (!(error instanceof Damaged)) throw error;
      answers.push(["refused", error.message]);
    }
  }
  return answers;
}"""
TIME = """async ([text, spec, times]) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)), took = [];
  for (let i = 0; i < times; i++) {
    const start = performance.now(), image = await readImage(bytes, spec), read = performance.now();
    prepare(image, spec);
    took.push([read - start, performance.now() - read]);
  }
  return took;
}"""


@dataclass
class Compared:
    """What came out: how many were read equally, how many refused by both, and what differs."""

    equal: int = 0
    refused: int = 0
    inexact: int = 0  # differ, as the page itself says
    differences: list[str] = field(default_factory=list)

    @property
    def told(self) -> str:
        return (
            f"{self.equal} equal, {self.refused} refused by both, {self.inexact} not exact and said so, "
            f"{len(self.differences)} different"
        )


def program() -> str:
    """The three modules as one classic script."""
    text = "".join((WEB / name).read_text(encoding="utf-8") for name in MODULES)
    return re.sub(
        r"^export (?=class|function|const|async)",
        "",
        re.sub(r"^import .*;\n", "", text, flags=re.M),
        flags=re.M,
    )


def open_page(browser: Browser) -> Page:
    """An empty page with the program in it; nothing is asked of any network."""
    page = browser.new_page()
    page.set_default_timeout(WAIT_MS)
    page.route("**/*", answer)
    page.goto("https://images.invalid/")  # hashes are for secure pages only
    page.add_script_tag(content=program())
    return page


def answer(route: Route) -> None:
    """The modules by their names; anything else is an empty page."""
    name = route.request.url.rpartition("/")[2]
    if name in MODULES:
        route.fulfill(content_type="text/javascript", body=(WEB / name).read_text(encoding="utf-8"))
    else:
        route.fulfill(content_type="text/html", body="<!doctype html>")


def as_json(spec: InputSpec) -> dict[str, Any]:
    """What preprocessing.json holds."""
    return to_plain(spec) | {"wanted_px": wanted_px(spec)}


def by_python(data: bytes, spec: dict[str, Any], place: Path) -> list[Any]:
    """What the program in the zip makes of it."""
    place.write_bytes(data)
    try:
        image = pictures.read(place, spec)
    except pictures.Problem as problem:
        return ["refused", str(problem)]
    pixels = pictures.prepare(image, spec)
    numbers = pictures.to_numbers(pixels, spec)
    hashes = [
        hashlib.sha256(one).hexdigest() for one in (image.tobytes(), pixels.tobytes(), numbers.tobytes())
    ]
    return [f"{image.width} x {image.height}", *hashes]


def as_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def compare(page: Page, cases: Iterable[Case], spec: InputSpec, place: Path) -> Compared:
    """Both read all cases."""
    record, found = as_json(spec), Compared()
    for batch in batches(cases):
        answers = page.evaluate(RUN, [[as_base64(data) for _, data in batch], record])
        for (name, data), answer in zip(batch, answers, strict=True):
            judge(found, name, by_python(data, record, place), answer)
    return found


def judge(found: Compared, name: str, python: list[Any], browser: list[Any]) -> None:
    if python[0] == browser[0] == "refused":
        found.refused += 1
    elif python == browser[:4]:
        found.equal += 1
    elif len(browser) == 5 and not browser[4]:
        found.inexact += 1
    else:
        found.differences.append(f"{name}: Python {python}, browser {browser}")


def batches(cases: Iterable[Case]) -> Iterator[list[Case]]:
    batch: list[Case] = []
    for case in cases:
        batch.append(case)
        if sum(len(data) for _, data in batch) > BATCH_BYTES:
            yield batch
            batch = []
    if batch:
        yield batch


def files_under(*folders: Path) -> list[Path]:
    """The JPEG and PNG files."""
    endings = (".jpg", ".jpeg", ".png")
    return sorted(file for folder in folders for file in folder.rglob("*") if file.suffix.lower() in endings)


def main(folders: list[str]) -> None:
    """Compare everything, and print what was found and how long it took."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "image"
        browser = playwright.chromium.launch(
            executable_path=chromium_path(playwright), headless=True, args=FLAGS
        )
        page = open_page(browser)
        files = files_under(*map(Path, folders))
        show("real", compare(page, ((str(file), file.read_bytes()) for file in files), BASE, place))
        for group in (made.jpegs, made.turned, made.pngs, made.damaged, made.large):
            show(group.__name__, compare(page, group(), BASE, place))
        few = [file for number, file in enumerate(files) if number % 100 == 0]
        for spec in SPECS if few else ():
            show(str(spec), compare(page, ((str(file), file.read_bytes()) for file in few), spec, place))
        times(page)
        browser.close()


def show(name: str, found: Compared) -> None:
    print(f"{name}: {found.told}", *found.differences[:20], sep="\n  ", flush=True)  # noqa: T201


def times(page: Page) -> None:
    """Milliseconds of reading and of preparing: the fastest of several, and the processor's mean of both."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    for name, data in (
        ("4000x3000, 4:2:0", saved(mosaic(4000, 3000), "JPEG", quality=85)),
        ("4000x3000, 4:2:0, progressive", saved(mosaic(4000, 3000), "JPEG", quality=85, progressive=True)),
        ("4000x3000 PNG", saved(mosaic(4000, 3000), "PNG", compress_level=1)),
        ("640x480", saved(mosaic(640, 480), "JPEG", quality=85)),
    ):
        before = script_seconds(session)
        took = page.evaluate(TIME, [as_base64(data), as_json(BASE), TIMES])
        mean = 1000 * (script_seconds(session) - before) / TIMES
        read, prepared = (min(one[part] for one in took) for part in (0, 1))
        words = f"read {read:.0f} ms, prepare {prepared:.1f} ms; {mean:.0f} ms of the processor on average"
        print(f"{name} ({len(data)} bytes): {words}")  # noqa: T201


def script_seconds(session: CDPSession) -> float:
    """What the page's thread has spent in scripts."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


if __name__ == "__main__":
    main(sys.argv[1:])
