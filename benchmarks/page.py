"""Start the page as a person does, walk it with a real browser, and say how long everything took.

    python -m benchmarks.page [--rounds 3] [--json FILE]

Every round is a new server with an empty workspace and new browser profiles, so nothing is kept from
the round before: no features, no opened networks. Needs a quiet machine and a Chromium. The seconds are
those of a person: from the press to what is seen. The idle server is measured with a page open, over the
server and every process below it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
from PIL import Image, ImageOps
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.house import FLAGS, House, Visit, app_running, chromium_path, visiting

SAMPLE = Path(__file__).parents[1] / "assets" / "sample"
GOALS = {
    "server up": (12.0, "s"),
    "cold page": (4.0, "s"),
    "sample to first prediction, at once": (15.0, "s"),
    "sample to first prediction, after a look around": (15.0, "s"),
    "teaching 100 pictures": (6.0, "s"),
    "prediction": (0.5, "s"),
    "idle server": (4.0, "% of a core"),
}
TEACH_IMAGES = 100
LOOK_AROUND_MS = 10_000
IDLE_S = 20.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Walk so many rounds; print every figure with its goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write all figures there")
    choice = parser.parse_args(arguments)
    figures: dict[str, list[float]] = defaultdict(list)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(playwright), args=FLAGS)
        for number in range(choice.rounds):
            for name, value in one_round(browser):
                figures[name].append(value)
                print(f"round {number + 1}: {name} {value:.2f}", flush=True)
        browser.close()
    print()
    for name, values in figures.items():
        goal, unit = GOALS[name]
        print(
            f"{name:50s} median {statistics.median(values):6.2f}  worst {max(values):6.2f} {unit} "
            f"(goal {goal:g}, {len(values)} times)"
        )
    if choice.json:
        choice.json.write_text(json.dumps(figures, indent=1))


def one_round(browser: Browser) -> Iterator[tuple[str, float]]:
    """One server from its start: every figure by its name."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with app_running(folder / "first") as house:
            yield "server up", house.seconds_to_start
            start = time.monotonic()
            with visiting(browser, house) as visit:
                visit.wait("#hs-head svg.wide")
                yield "cold page", time.monotonic() - start
                yield "sample to first prediction, at once", two_presses(visit)
        with app_running(folder / "second") as house, visiting(browser, house) as visit:
            visit.wait("#hs-head svg.wide")
            visit.page.wait_for_timeout(LOOK_AROUND_MS)  # a person reads the first screen
            yield "sample to first prediction, after a look around", two_presses(visit)
            yield from predictions(visit)
            visit.page.wait_for_timeout(2 * LOOK_AROUND_MS)
            yield "idle server", idle_share(visit, house)
            with visiting(browser, house) as other:
                yield "teaching 100 pictures", teaching(other, hundred_images(folder / "hundred"))


def two_presses(visit: Visit) -> float:
    """From the first press to a prediction that can be seen."""
    start = time.monotonic()
    visit.use_sample()
    ready = time.monotonic()
    visit.teach()
    done = time.monotonic()
    print(f"    pictures {ready - start:.2f} s, lesson to prediction {done - ready:.2f} s", flush=True)
    return done - start


def teaching(visit: Visit, folder: Path) -> float:
    """From the press on Teach to the report."""
    visit.open_step("pictures")
    visit.page.set_input_files("#hs-picker input[webkitdirectory]", folder)
    visit.wait("#hs-classes .klass")
    visit.open_step("teaching")
    visit.wait("#hs-teach:not([disabled])")
    visit.page.wait_for_timeout(LOOK_AROUND_MS)  # what may move, how long: it is read
    start = time.monotonic()
    visit.page.click("#hs-teach")
    visit.wait("#hs-verdict .verdict")
    return time.monotonic() - start


def predictions(visit: Visit) -> Iterator[tuple[str, float]]:
    """From giving a picture to what is said of it; pictures that were never seen."""
    visit.wait("#hs-examples li:nth-child(8) .told svg")
    for image in sorted((SAMPLE / "train" / "fruit").iterdir())[:10]:
        visit.page.evaluate("document.querySelector('#hs-answer .answered').dataset.old = 'yes'")
        start = time.monotonic()
        visit.page.set_input_files("#hs-try input[type=file]", image)
        visit.wait("#hs-answer .answered:not([data-old])")
        yield "prediction", time.monotonic() - start


def hundred_images(folder: Path) -> Path:
    """The sample set, each drawing on a larger sheet, four mirrored: no features of them are kept."""
    drawings = sorted((SAMPLE / "train").rglob("*.png"))
    for number in range(TEACH_IMAGES):
        drawing = drawings[number % len(drawings)]
        place = folder / drawing.parent.name
        place.mkdir(parents=True, exist_ok=True)
        with Image.open(drawing) as opened:
            sheet = ImageOps.expand(opened.convert("RGB"), border=12, fill="white")
        if number >= len(drawings):
            sheet = ImageOps.mirror(sheet)
        sheet.save(place / f"{number} {drawing.name}")
    return folder


def idle_share(visit: Visit, house: House) -> float:
    """Percent of a core that server and children take while the page is open and no one does anything."""
    server = psutil.Process(house.pid)
    family = [server, *server.children(recursive=True)]
    before = sum(_cpu_s(one) for one in family)
    visit.page.wait_for_timeout(1000 * IDLE_S)
    return 100 * (sum(_cpu_s(one) for one in family) - before) / IDLE_S


def _cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system


if __name__ == "__main__":
    main()
