"""Find the right network in a real browser: limits, a press, a table, and a press to take the winner."""

from __future__ import annotations

import pytest

from tests.e2e.house import House, Visit

pytestmark = pytest.mark.browser


def test_the_right_network_is_found_and_taken_with_two_presses(visit: Visit, house: House) -> None:
    page = visit.page
    visit.use_sample()
    page.goto(f"{house.url}runs")
    visit.wait("#hs-runs .hs-empty")
    visit.wait("#hs-race-panel [data-state=none]", "attached")
    visit.moved_on()
    page.fill("#hs-race-mb input", "19")

    page.click("#hs-race")

    visit.wait("#hs-race-panel [data-winner='timm/tf_efficientnet_lite0']")
    said = page.inner_text("#hs-race-panel")
    assert "tf_efficientnet_lite0 is the only network that could be judged" in said
    assert "more than 19" in said, "who was left out, and why"
    assert "In the exam, which the race never looked at" in said

    page.click("#hs-race-panel [data-race=take]")

    visit.wait("#hs-race-status:has-text('the network of this project now')")
    visit.wait("#hs-runs tbody tr:has-text('lite0')")
    visit.moved_on()
