"""Step 1 in a real browser: any network's head as the core finds it, and names that no one has."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Route, TimeoutError

from headswap.app.ui.widgets.text import number
from headswap.pipeline.inspect import inspect_network
from tests.e2e.house import NARROWED, WAIT_MS, House, Visit, new_profile

pytestmark = pytest.mark.browser

ON_ITS_WAY = """() => {
  const hint = document.querySelector('#hs-search [data-testid=block-info] + div');
  return getComputedStyle(hint, '::after').content.includes('is on its way');
}"""
UNCOVERED = """() => ['[data-testid=block-info] + div', '[role=option]'].every((one) => {
  const seen = document.querySelector(`#hs-search ${one}`);
  const { left, top, bottom } = seen.getBoundingClientRect();
  return seen.contains(document.elementFromPoint(left + 20, (top + bottom) / 2));
})"""
FAMILIES = (  # one of each kind of head; tests/heads/ looks at every family, without a browser
    "torchvision/googlenet", "torchvision/squeezenet1_1", "torchvision/resnet18",
    "torchvision/mobilenet_v3_small", "timm/deit_tiny_distilled_patch16_224", "timm/levit_128s",
)  # fmt: skip


def choose(visit: Visit, name: str) -> None:
    """Search for a network by its name and take it; again, when what was drawn meanwhile closed the list."""
    zoo, bare = name.split("/")
    options = visit.page.locator(f"[role=option]:has-text('{bare}  ({zoo})')")
    wanted = options.filter(has_text=re.compile(rf"(^|\s){re.escape(bare)}\s")).first
    for patience_ms in (8_000, 15_000, WAIT_MS):
        visit.page.keyboard.press("Escape")
        visit.look_for("#hs-search", bare)
        try:
            wanted.click(timeout=patience_ms)
            visit.page.wait_for_selector(f"#hs-head h2 code:text-is('{bare}')", timeout=patience_ms)
            return
        except TimeoutError:
            if patience_ms == WAIT_MS:
                raise


def test_a_name_that_nobody_has_is_one_sentence_and_each_kind_of_head_shows_what_the_core_finds(
    visit: Visit,
) -> None:
    page = visit.page
    visit.wait("#hs-head svg.wide")
    visit.look_for("#hs-search", "resnet5000")
    page.keyboard.press("Enter")
    visit.wait("#hs-model .mistake")
    said = page.inner_text("#hs-model .mistake")
    assert "resnet5000" in said
    assert "Traceback" not in said
    assert "tf_efficientnet_lite0" in page.inner_text("#hs-head h2")

    for name in FAMILIES:
        found = inspect_network(name)

        choose(visit, name)

        shown = page.inner_text("#hs-head .facts")
        for path in found.site.all_paths:
            assert path in shown, name
        assert number(found.backbone_parameters) in shown, name
        assert f"{found.site.in_features[0]} features" in shown, name  # then the `?` of features
        assert f"→ {found.site.num_classes} names" in shown, name


def test_enter_or_a_press_chooses_and_leaving_the_box_does_not(visit: Visit) -> None:
    page = visit.page
    visit.wait("#hs-head svg.wide")
    before = page.inner_text("#hs-cards .card:has(:checked) code")
    visit.look_for("#hs-search", "resnet18")
    assert page.evaluate(UNCOVERED), "the list covers what the box says of it"
    first = page.inner_text("[role=option] >> nth=0")

    with visit.answers():
        page.locator("#hs-search input").blur()

    assert page.locator("#hs-model .mistake").count() == 0
    assert page.inner_text("#hs-cards .card:has(:checked) code") == before
    assert page.input_value("#hs-search input") == ""
    visit.look_for("#hs-search", "resnet18")
    page.keyboard.press("Enter")
    visit.wait("#hs-head h2 code:has-text('resnet18')")
    assert page.inner_text("#hs-head h2 code") in first
    choose(visit, "torchvision/squeezenet1_1")


def test_the_new_head_is_as_large_as_the_images_have_classes(visit: Visit) -> None:
    visit.wait("#hs-head svg.wide")
    assert "as you like" in visit.page.inner_text("#hs-head .facts")

    visit.page.click("#hs-sample-first")
    visit.wait("#hs-chip [data-done*=pictures]")
    visit.open_step("model")

    visit.wait("#hs-head .facts:has-text('1280 features → 4 names')")
    assert "5,124 numbers to learn" in visit.page.inner_text("#hs-head .facts")
    visit.wait(".card:has(:checked):has-text('ms a picture here')")  # drawn again after the head


def test_a_network_that_may_not_be_fetched_is_marked_before_and_told_when_it_is_chosen(
    browser: Browser, locked: tuple[House, str]
) -> None:
    house, code = locked
    context = new_profile(browser)
    visit = Visit(context.new_page(), "")
    page = visit.page
    page.goto(house.url)
    page.fill("input >> nth=0", "ada")
    page.fill("input[type=password]", code)
    page.keyboard.press("Enter")
    visit.wait("#hs-head svg.wide")
    visit.wait("#hs-cards .state")
    assert page.locator("[role=option]").count() == 0
    held: list[Route] = []
    page.route(
        "**/queue/join*", lambda route: held.append(route)
    )  # a server that has just started takes seconds for the list
    page.click("#hs-search input")
    page.wait_for_function(ON_ITS_WAY, timeout=WAIT_MS)
    for route in held:
        route.continue_()
    held.clear()
    page.unroute("**/queue/join*")
    page.wait_for_function(f"() => !({ON_ITS_WAY})()", timeout=WAIT_MS)
    page.keyboard.type("hardcorenas_a")  # the list comes when someone begins to search, and is narrowed then
    visit.wait("[role=option]:has-text('✕ hardcorenas_a')")
    page.wait_for_function(NARROWED, arg="hardcorenas_a")

    choose(visit, "timm/hardcorenas_a")

    visit.wait("#hs-cards .card:has(:checked):has-text('may not be downloaded here')")
    visit.wait("#hs-model .mistake:has-text('it may not be downloaded here')")
    assert "the person who started the server" in page.inner_text("#hs-model .mistake")
    context.close()
