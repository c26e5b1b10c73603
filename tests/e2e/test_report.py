"""Step 4 in a real browser: one project, taught once on drawings with one label planted wrong."""

from __future__ import annotations

import base64
from io import BytesIO
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from PIL import Image

from headswap.app.ui.steps.confusion import grid
from headswap.app.ui.widgets.html import rendered
from headswap.evaluation.report import Report
from tests.e2e.house import SAMPLE, Visit

pytestmark = pytest.mark.browser


def cells(visit: Visit) -> list[int]:
    return [int(cell.inner_text()) for cell in visit.page.locator("#hs-grid .cell").all()]


def test_the_grid_adds_up_to_the_verdict_and_a_cell_opens_its_images_with_the_keyboard(
    taught: Visit,
) -> None:
    page = taught.page
    right, total = (int(word) for word in page.inner_text("#hs-verdict h1").split() if word.isdigit())
    counts = cells(taught)
    size = int(len(counts) ** 0.5)
    assert sum(counts) == total
    assert sum(counts[i * (size + 1)] for i in range(size)) == right

    cell = page.locator("#hs-grid .cell.hit").last
    truth = (cell.get_attribute("aria-label") or "").split(" called ")[0]
    cell.focus()
    page.keyboard.press("Enter")

    taught.wait(f"#hs-opened h3:has-text('called {truth}')")
    assert page.locator("#hs-opened li img").count() == min(12, int(cell.inner_text()))
    assert cell.get_attribute("aria-pressed") == "true"
    assert "Always saying" in page.inner_text("#hs-verdict p")


def test_the_old_head_and_the_nearest_train_images_stand_beside_the_answer(taught: Visit) -> None:
    page = taught.page
    taught.wait("#hs-answer .nearest img")

    assert page.locator("#hs-answer .versus > div").count() == 2
    assert page.locator("#hs-answer .versus > div:last-child .bars li").count() == 5
    assert page.locator("#hs-answer .nearest img").count() >= 3


def noise() -> bytes:
    target = BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (240, 240, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(target, "PNG")
    return target.getvalue()


def test_an_unlike_image_raises_the_warning_and_a_known_one_does_not(taught: Visit) -> None:
    page = taught.page
    chooser = "#hs-try input[type=file]"

    page.set_input_files(chooser, {"name": "noise.png", "mimeType": "image/png", "buffer": noise()})
    taught.wait("#hs-answer .stranger")
    assert "I have not seen anything like this" in page.inner_text("#hs-answer .stranger")

    page.set_input_files(chooser, SAMPLE / "train" / "fruit" / "banana.png")
    taught.wait("#hs-answer .stranger", state="detached")
    taught.wait("#hs-answer .live b:has-text('fruit')")


def test_a_pasted_image_is_answered(taught: Visit) -> None:
    page = taught.page
    image = base64.b64encode((SAMPLE / "train" / "bird" / "dove_symbol.png").read_bytes()).decode()
    page.click("#hs-examples [data-example='5']")
    taught.wait("#hs-try img[src*='vehicle_vtt_02']")  # its answer came with it: none is on its way
    taught.wait("#hs-answer .live b:not(:has-text('bird'))")

    page.evaluate(
        """async (picture) => {
          const data = await (await fetch('data:image/png;base64,' + picture)).blob();
          const clipboard = new DataTransfer();
          clipboard.items.add(new File([data], 'pasted.png', {type: 'image/png'}));
          document.body.dispatchEvent(
            new ClipboardEvent('paste', {clipboardData: clipboard, bubbles: true}));
        }""",
        image,
    )

    taught.wait("#hs-answer .live b:has-text('bird')")


def test_a_grid_of_twelve_classes_is_shown_whole(taught: Visit) -> None:
    """Drawn into the place of the grid that is there, which comes back afterwards."""
    names = tuple(f"kind of thing {number}" for number in range(12))
    confusion = tuple(tuple(9 if row == column else 1 for column in range(12)) for row in range(12))
    report = SimpleNamespace(classes=names, confusion=confusion)
    drawn = rendered(grid(cast(Report, report), ""))
    swap = """(html) => { const place = document.querySelector('#hs-grid .conf-scroll').parentElement;
        const before = place.innerHTML; place.innerHTML = html; return before; }"""

    before = taught.page.evaluate(swap, drawn)
    hidden = taught.page.evaluate(
        "() => { const one = document.querySelector('#hs-grid .conf-scroll'); "
        "return one.scrollWidth - one.clientWidth; }"
    )
    taught.page.evaluate(swap, before)

    assert hidden <= 0
