"""What the page is like: quick to open, narrow enough for a phone, honest about a wrong layer."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.house import STEPS, WAIT_MS, House, Visit

pytestmark = pytest.mark.browser

WIDE, HIGH = (390, 320), 844
# Counts how often something asks for the next frame of the screen, of each two seconds.
COUNTED = """(() => {
  const real = window.requestAnimationFrame.bind(window);
  let asked = 0;
  window.requestAnimationFrame = (call) => { asked += 1; return real(call); };
  setInterval(() => { window.framesAsked = asked; asked = 0; }, 2000);
})()"""
OVERFLOW = "document.documentElement.scrollWidth - window.innerWidth"
CUT_OFF = """() => {
  const scrolls = (one) => one && (['auto', 'scroll'].includes(getComputedStyle(one).overflowX)
    || getComputedStyle(one).textOverflow === 'ellipsis' || scrolls(one.parentElement));
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  while (texts.nextNode()) {
    const parent = texts.currentNode.parentElement, range = document.createRange();
    if (!parent.checkVisibility({visibilityProperty: true})) continue;
    if (parent.closest('svg, script, style, .hs-vh')) continue;
    range.selectNodeContents(texts.currentNode);
    const box = range.getBoundingClientRect();
    const isOut = box.width && box.right > window.innerWidth + 1 && !scrolls(parent);
    if (isOut) found.push(texts.currentNode.data);
  }
  return found; }"""


def test_the_first_screen_shows_the_head_of_the_default_network(
    enter: Callable[..., Visit], took: Callable[[str, float, float], None]
) -> None:
    start = time.monotonic()
    visit = enter()
    visit.wait("#hs-head svg.wide")
    visit.wait(".card .state")

    took("cold page with the head drawn, s", time.monotonic() - start, 4)
    assert "tf_efficientnet_lite0" in visit.page.inner_text("#hs-head h2")
    assert "1280" in visit.page.inner_text("#hs-head .facts")
    assert visit.page.locator(".card input:checked").count() == 1


def test_what_is_no_weight_file_or_layer_is_refused_in_words_and_the_network_stays(
    visit: Visit, tmp_path: Path
) -> None:
    page = visit.page
    visit.wait("#hs-head svg.wide")
    fake = tmp_path / "mine.safetensors"
    fake.write_bytes(b"not a weight file at all")
    page.click("#hs-own > button")
    visit.wait("#hs-weights")
    page.set_input_files("#hs-own input[type=file]", fake)
    visit.wait("#hs-model .mistake")
    assert "tf_efficientnet_lite0" in page.inner_text("#hs-head h2")

    page.click(".card:has-text('Balanced')")
    visit.wait("#hs-head h2:has-text('tiny_vit_11m_224')")
    assert "448" in page.inner_text("#hs-head .facts")

    page.click("#hs-how > button")
    visit.check_layer("no.such.layer", found="head.fc")

    visit.wait("#hs-model .mistake:has-text('no.such.layer')")  # next to the one about weights out of reach
    assert "tiny_vit_11m_224" in page.inner_text("#hs-head h2")


def fits(visit: Visit, where: str, action_of: str = "") -> None:
    """On both phones nothing scrolls sideways or is cut off, and the next action of a step is in sight."""
    for width in WIDE:
        visit.page.set_viewport_size({"width": width, "height": HIGH})
        assert visit.page.evaluate(OVERFLOW) <= 0, (where, width)
        assert visit.page.evaluate("document.body.scrollWidth") <= width, (where, width)
        assert visit.page.evaluate(CUT_OFF) == [], (where, width)
        assert not action_of or next_action_is_in_sight(visit, width, action_of), (where, width)


def small(visit: Visit) -> list[str]:
    """What can be pressed and is too small for a finger."""
    found: list[str] = visit.page.evaluate(
        "[...document.querySelectorAll('button, [role=tab], label.btn')].filter(one => one.offsetParent)"
        ".map(one => [one.getBoundingClientRect(), one.innerText || one.ariaLabel || one.id])"
        ".filter(([box]) => box.width > 1 && (box.height < 40 || box.width < 40)).map(([, name]) => name)"
    )
    return found


def next_action_is_in_sight(visit: Visit, width: int, step: str) -> bool:
    actions = visit.page.locator(f"#hs-{step} button.primary:visible, #hs-{step} a.primary:visible")
    boxes = [action.bounding_box() for action in actions.all()]
    return any(
        box and box["x"] >= 0 and box["x"] + box["width"] <= width and box["y"] + box["height"] <= HIGH
        for box in boxes
    )


def test_on_a_phone_nothing_scrolls_sideways_the_next_action_is_in_sight_and_no_button_is_small(
    enter: Callable[..., Visit], house: House, taught: Visit
) -> None:
    visit = enter(width=WIDE[0], height=HIGH)
    visit.wait("#hs-head svg.tall")
    for step in STEPS:
        visit.open_step(step)
        fits(visit, f"{step}, empty", step if step == "test" else "")
        assert small(visit) == [], step
    visit.open_step("model")
    visit.use_sample()
    for step in STEPS[:3]:
        visit.open_step(step)
        fits(visit, f"{step}, with pictures", step)
        assert small(visit) == [], step
        visit.page.set_viewport_size({"width": 1280, "height": 900})
        assert small(visit) == [], step
    visit = taught
    before = visit.page.viewport_size
    visit.page.set_viewport_size({"width": WIDE[0], "height": HIGH})
    visit.wait("#hs-examples li:nth-child(6) .told svg")
    visit.open_step("home")
    visit.packed()
    for step in STEPS:
        visit.open_step(step)
        fits(visit, f"{step}, taught", step)
    visit.page.goto(f"{house.url}runs")
    visit.wait("#hs-runs table")
    fits(visit, "runs")
    assert before
    visit.page.set_viewport_size(before)
    visit.go_home()


def test_a_page_that_is_only_open_hardly_works(visit: Visit) -> None:
    visit.page.add_init_script(COUNTED)
    visit.reload()
    visit.wait(".card .state")

    # Looked at twice a second, for Playwright's own way asks for every frame. gradio alone: 120.
    visit.page.wait_for_function("window.framesAsked <= 20", polling=500, timeout=WAIT_MS)
