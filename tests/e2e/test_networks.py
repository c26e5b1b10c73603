"""Step 1 in a real browser: any network's head as the core finds it, and names that nobody has."""

from __future__ import annotations

import pytest

from headswap.inspection import inspect_network
from headswap.ui.words import number
from tests.e2e.house import Visit

pytestmark = pytest.mark.browser

FAMILIES = (  # small ones, each of another kind: auxiliary head, conv head, nested path, token, two heads
    "torchvision/googlenet", "torchvision/squeezenet1_1", "torchvision/mobilenet_v3_small",
    "timm/vit_tiny_patch16_224", "timm/deit_tiny_distilled_patch16_224", "timm/ghostnet_100",
)  # fmt: skip


def search(visit: Visit, words: str) -> None:
    visit.page.click("#hs-search input")
    visit.wait("[role=option]")
    visit.page.keyboard.type(words)  # filling it in would press no key, and nothing would be looked for


@pytest.mark.parametrize("name", FAMILIES)
def test_a_network_of_each_family_shows_what_the_core_finds(visit: Visit, name: str) -> None:
    page, bare = visit.page, name.split("/")[1]
    found = inspect_network(name)
    visit.wait("#hs-head svg.wide")

    search(visit, bare)
    page.locator(f"[role=option]:has-text('{bare}')").filter(has_text=name.split("/")[0]).first.click()

    visit.wait(f"#hs-head h2:has-text('{bare}')")
    shown = page.inner_text("#hs-head .facts")
    for path in found.site.all_paths:
        assert path in shown
    assert number(found.body_parameters) in shown
    assert f"{found.site.in_features[0]} → {found.site.num_classes}" in shown


def test_a_name_that_nobody_has_is_one_sentence_and_the_network_stays(visit: Visit) -> None:
    page = visit.page
    visit.wait("#hs-head svg.wide")

    search(visit, "resnet5000")
    page.keyboard.press("Enter")

    visit.wait("#hs-model .mistake")
    said = page.inner_text("#hs-model .mistake")
    assert "resnet5000" in said
    assert "Traceback" not in said
    assert "tf_efficientnet_lite0" in page.inner_text("#hs-head h2")


def test_the_new_head_is_as_large_as_the_pictures_have_classes(visit: Visit) -> None:
    visit.wait("#hs-head svg.wide")
    assert "as you like" in visit.page.inner_text("#hs-head .facts")

    visit.page.click("#hs-sample-first")
    visit.wait("#hs-chip [data-done*=pictures]")
    visit.open_step("model")

    visit.wait("#hs-head .facts:has-text('1280 → 4')")
    assert "5,124 numbers to learn" in visit.page.inner_text("#hs-head .facts")
    assert "ms a picture here" in visit.page.inner_text(".card:has(:checked)")
