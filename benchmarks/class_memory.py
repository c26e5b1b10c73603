"""What a class costs in memory: the server and every process below it, page by page.

    python -m benchmarks.class_memory [--pages 30]

Each page is a browser profile of its own that stays open. Once as for one person, where a worker that has
imported torch waits for the next teaching, and once as for a class, where none does. Memory is the
proportional set size: what processes share is counted once.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.house import FLAGS, House, app_running, chromium_path, visiting

SETTLE_S = 12.0  # until what a page set off is over: the first network opened, a spare worker ready


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pages", type=int, default=30)
    pages = parser.parse_args().pages
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(playwright), args=FLAGS)
        for spare in ("--spare", "--no-spare"):  # one person, and a class
            with (
                tempfile.TemporaryDirectory() as folder,
                app_running(Path(folder) / "workspace", spare) as house,
            ):
                walk(browser, house, spare, pages)
        browser.close()


def walk(browser: Browser, house: House, spare: str, pages: int) -> None:
    """Open page after page, teach from the first; print what that leaves in memory."""
    print(spare)
    say("server up, no page", house)
    with ExitStack() as stack:
        first = stack.enter_context(visiting(browser, house))
        first.wait("#hs-head svg.wide")
        time.sleep(SETTLE_S)
        say("1 page", house)
        for _ in range(pages - 1):
            stack.enter_context(visiting(browser, house)).wait("#hs-head svg.wide")
        time.sleep(SETTLE_S)
        say(f"{pages} pages", house)
        first.use_sample()
        first.teach()
        time.sleep(SETTLE_S)
        say(f"{pages} pages, one has taught and predicts", house)


def say(when: str, house: House) -> None:
    """Print the processes by size."""
    server = psutil.Process(house.pid)
    sizes = [one.memory_full_info().pss / 1e6 for one in (server, *server.children(recursive=True))]
    below = " + ".join(f"{size:.0f}" for size in sorted(sizes[1:], reverse=True) if size > 1)
    print(
        f"  {when:40} {sum(sizes):6.0f} MB = server {sizes[0]:.0f}{' + ' if below else ''}{below}", flush=True
    )


if __name__ == "__main__":
    main()
