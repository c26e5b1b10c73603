"""What the page is like: quick to open, narrow enough for a phone, honest about a wrong layer."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.house import Visit

pytestmark = pytest.mark.browser

STEPS = ("model", "pictures", "teaching", "test", "home")
OVERFLOW = "document.documentElement.scrollWidth - window.innerWidth"


def test_the_first_screen_shows_the_head_of_the_default_network(
    enter: Callable[..., Visit], capsys: pytest.CaptureFixture[str]
) -> None:
    start = time.monotonic()
    visit = enter()
    visit.wait("#hs-head svg.wide")
    visit.wait(".card .state")

    with capsys.disabled():
        print(f"\npage with the head drawn: {time.monotonic() - start:.1f} s (goal 4)")  # noqa: T201
    assert "tf_efficientnet_lite0" in visit.page.inner_text("#hs-head h2")
    assert "1280" in visit.page.inner_text("#hs-head .facts")
    assert visit.page.locator(".card input:checked").count() == 1


def test_another_network_is_opened_up_and_a_wrong_layer_is_refused_in_words(visit: Visit) -> None:
    page = visit.page
    visit.wait("#hs-head svg.wide")
    page.click(".card:has-text('Balanced')")
    visit.wait("#hs-head h2:has-text('resnet50')")
    assert "2048" in page.inner_text("#hs-head .facts")

    page.click("#hs-how > button")
    visit.wait("#hs-path")
    page.fill("#hs-path :is(input, textarea)", "no.such.layer")
    page.click("#hs-check")

    visit.wait("#hs-model .mistake")
    assert "no.such.layer" in page.inner_text("#hs-model .mistake")
    assert "resnet50" in page.inner_text("#hs-head h2")


def test_a_weight_file_that_is_none_is_refused_in_words_and_the_network_stays(
    visit: Visit, tmp_path: Path
) -> None:
    fake = tmp_path / "mine.safetensors"
    fake.write_bytes(b"not a weight file at all")
    visit.wait("#hs-head svg.wide")

    visit.page.click("#hs-own > button")
    visit.wait("#hs-weights")
    visit.page.set_input_files("#hs-own input[type=file]", fake)

    visit.wait("#hs-model .mistake")
    assert "tf_efficientnet_lite0" in visit.page.inner_text("#hs-head h2")


@pytest.mark.parametrize("width", [390, 320])
def test_on_a_phone_nothing_scrolls_sideways_and_the_next_action_is_in_sight(
    enter: Callable[..., Visit], width: int
) -> None:
    visit = enter(width=width, height=844)
    visit.use_sample()

    for step in STEPS:
        visit.open_step(step)
        assert visit.page.evaluate(OVERFLOW) <= 0, step
        actions = visit.page.locator(f"#hs-{step} button.primary:visible")
        boxes = [action.bounding_box() for action in actions.all()]
        assert any(
            box and box["x"] >= 0 and box["x"] + box["width"] <= width and box["y"] < 844 for box in boxes
        ), step


def test_everything_that_is_pressed_is_large_enough_for_a_finger(visit: Visit) -> None:
    visit.use_sample()
    for step in STEPS:
        visit.open_step(step)
        small = visit.page.evaluate(
            "[...document.querySelectorAll('button, [role=tab], label.btn')].filter(one => one.offsetParent)"
            ".map(one => [one.getBoundingClientRect(), one.innerText || one.ariaLabel || one.id])"
            ".filter(([box]) => box.width > 1 && (box.height < 40 || box.width < 40)).map(([, name]) => name)"
        )
        assert small == [], step


def test_the_five_steps_can_be_walked_with_the_keyboard(visit: Visit) -> None:
    page = visit.page
    visit.wait("#hs-sample-first")
    page.focus("#hs-teaching-button")
    page.keyboard.press("Enter")
    visit.wait("#hs-teach", state="visible")
    page.focus("#hs-pictures-button")
    page.keyboard.press("Enter")
    visit.wait("#hs-picker label")
    page.focus("#hs-sample")
    page.keyboard.press("Enter")
    visit.wait("#hs-classes .klass")
    page.focus("#hs-to-teach")
    page.keyboard.press("Enter")
    visit.wait("#hs-teach:not([disabled])")
