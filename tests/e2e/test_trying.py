"""Trying, looking closer and correcting in step 4, on drawings with one label planted wrong."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import FilePayload, Request, Route

from headswap.bundle.format import read_card
from tests.e2e.house import PLANTED, SAMPLE, House, Visit

pytestmark = pytest.mark.browser


def test_the_camera_is_answered_live_and_stops_when_it_is_told_to(taught: Visit) -> None:
    page = taught.page
    page.evaluate("document.querySelector('#hs-answer .answered').dataset.old = 'yes'")

    page.click("#hs-live-camera [data-camera]")
    taught.wait("#hs-live-camera video")
    taught.wait("#hs-answer .answered:not([data-old])")
    assert page.locator("#hs-look:visible").count() == 0  # a camera's picture is not kept

    page.click("#hs-live-camera [data-camera][aria-pressed=true]")
    taught.wait("#hs-live-camera video", state="hidden")


def test_a_picture_that_is_given_ends_the_camera_and_keeps_its_answer(taught: Visit) -> None:
    page = taught.page
    page.click("#hs-live-camera [data-camera]")
    taught.wait("#hs-live-camera [data-camera][aria-pressed=true]")

    page.set_input_files("#hs-try input[type=file]", SAMPLE / "train" / "vehicle" / "bus_01.png")

    taught.wait("#hs-live-camera video", state="hidden")
    taught.wait("#hs-look:visible")
    taught.wait("#hs-answer .live b:has-text('vehicle')")
    page.click("#hs-live-camera [data-camera]")
    taught.wait("#hs-live-camera [data-camera][aria-pressed=true]")
    page.click("#hs-examples [data-example='0']")
    taught.wait("#hs-live-camera video", state="hidden")
    taught.wait("#hs-answer .live b:not(:has-text('vehicle'))")


def test_a_frame_on_its_way_does_not_take_the_place_of_the_answer_to_a_picture(taught: Visit) -> None:
    page = taught.page
    held: list[Route] = []
    page.route(
        "**/queue/join*", lambda route: held.append(route) if is_frame(route.request) else route.continue_()
    )
    with page.expect_request(is_frame):
        page.click("#hs-live-camera [data-camera]")
    with taught.answers():
        page.set_input_files("#hs-try input[type=file]", SAMPLE / "train" / "vehicle" / "bus_01.png")
    taught.wait("#hs-answer .live b:has-text('vehicle')")
    said = page.inner_html("#hs-answer")

    with taught.answers():
        for route in held:
            route.continue_()
    page.unroute("**/queue/join*")

    assert page.inner_html("#hs-answer") == said
    assert page.locator("#hs-look:visible").count() == 1
    page.click("#hs-live-camera [data-camera]")  # and what it sees is answered again
    taught.wait("#hs-look", state="hidden")
    page.click("#hs-live-camera [data-camera][aria-pressed=true]")


def is_frame(request: Request) -> bool:
    """Whether the camera asks."""
    return "/queue/join" in request.url and '"frame":' in (request.post_data or "")


def test_the_heat_map_is_not_constant(taught: Visit) -> None:
    page = taught.page
    image, target = Image.new("RGB", (300, 300), "white"), BytesIO()
    ImageDraw.Draw(image).ellipse((120, 120, 180, 180), fill="red", outline="black", width=4)
    image.save(target, "PNG")
    page.set_input_files(
        "#hs-try input[type=file]", {"name": "dot.png", "mimeType": "image/png", "buffer": target.getvalue()}
    )
    taught.wait("#hs-look:visible")

    page.click("#hs-look")
    taught.wait("#hs-heat img")

    data = (page.get_attribute("#hs-heat img", "src") or "").partition(",")[2]
    shown = np.asarray(Image.open(BytesIO(base64.b64decode(data))).convert("L"), dtype=float)
    height, width = shown.shape
    white = np.ones(shown.shape, bool)  # before the map, but for the dot in the middle
    white[2 * height // 5 - 4 : 3 * height // 5 + 4, 2 * width // 5 - 4 : 3 * width // 5 + 4] = False
    assert shown[white].std() > 3
    page.click("#hs-look-exam")
    taught.wait("#hs-where figure:nth-child(3) img")


def test_an_image_that_is_none_is_refused_in_words(taught: Visit) -> None:
    page = taught.page
    broken = FilePayload(name="holiday.jpg", mimeType="image/jpeg", buffer=b"\xff\xd8\xff\xe0 no picture")

    page.set_input_files("#hs-try input[type=file]", broken)

    taught.wait("#hs-try-status .mistake")
    said = page.inner_text("#hs-try-status .mistake")
    assert "Traceback" not in said
    assert "holiday" in said
    assert page.locator("#hs-answer .bars").count() == 0, "the answer before is no answer to this picture"
    page.click("#hs-examples [data-example='0']")
    taught.wait("#hs-try-status .mistake", state="detached")


def test_the_answer_is_to_the_last_of_two_pictures(taught: Visit) -> None:
    """Given at once, one after the other: the second comes while the first is answered."""
    page = taught.page
    for name in ("bird/dove_symbol.png", "fruit/banana.png", "bird/dove_symbol.png", "vehicle/bus_01.png"):
        page.set_input_files("#hs-try input[type=file]", SAMPLE / "train" / name)
        taught.wait(f"#hs-try img[src*='{name.rpartition('/')[2]}']")

    taught.wait("#hs-answer .live b:has-text('vehicle')")
    taught.wait("#hs-try-status:not(:has(.mistake))", state="attached")


def test_what_a_browser_cannot_show_is_answered_and_shown_beside_the_answer(taught: Visit) -> None:
    page = taught.page
    ppm = b"P6 40 30 255\n" + bytes([200, 30, 30]) * 1200
    sign = FilePayload(name="sign.ppm", mimeType="", buffer=ppm)

    page.set_input_files("#hs-try input[type=file]", sign)

    taught.wait("#hs-answer .tried img")
    taught.wait("#hs-answer .bars")
    data = (page.get_attribute("#hs-answer .tried img", "src") or "").partition(",")[2]
    red, green, _ = Image.open(BytesIO(base64.b64decode(data))).getpixel((20, 15))  # type: ignore[misc]
    assert red > 180
    assert green < 60
    page.dispatch_event("#hs-try", "click")
    assert ".ppm" in (page.get_attribute("#hs-try input[type=file]", "accept") or "")
    assert page.locator("#hs-try-status .mistake").count() == 0


def test_a_planted_wrong_label_is_among_the_first_five_doubts_and_can_be_mended(taught: Visit) -> None:
    page = taught.page
    rows = page.locator("#hs-doubts .doubt")
    taught.wait("#hs-doubts .doubt")
    assert 0 < rows.count() <= 5
    planted = page.locator(f"#hs-doubts .doubt:has(img[alt*='{PLANTED}'])")
    assert planted.count() == 1
    before = rows.count()

    planted.locator("button", has_text="Make it vehicle").click()
    taught.wait("#hs-doubts [role=status]:has-text('called vehicle now')")
    page.click("#hs-doubts [data-doubt^='undo:']")
    taught.wait("#hs-doubts [role=status]:has-text('called fruit again')")
    planted.locator("button", has_text="Make it vehicle").click()
    taught.wait("#hs-doubts [role=status]:has-text('called vehicle now')")
    assert page.locator(f"#hs-doubts .doubt:has(img[alt*='{PLANTED}'])").count() == 0

    if before > 1:
        rows.first.locator("button", has_text="Ignore").click()
        taught.wait("#hs-doubts [role=status]:has-text('Left as it is.')")
    taught.reload()
    taught.open_step("pictures")
    taught.wait("#hs-classes .klass")
    tallies = page.locator("#hs-classes .tally").all_inner_texts()
    assert [tally.strip() for tally in tallies] == ["16", "16", "16"]


def test_what_is_advised_is_set_up_with_one_press(taught: Visit) -> None:
    page = taught.page
    taught.open_step("test")
    taught.wait("#hs-advice .callout")
    assert page.locator("#hs-trust .trust li").count() == 3

    page.evaluate(  # what is advised depends on the figures; the press does not
        "document.querySelector('#hs-advice .callout p').insertAdjacentHTML('beforeend', "
        "'<button class=link data-way=auto>Set it up in Teach</button>')"
    )
    page.locator("#hs-advice [data-way]").last.click()

    taught.wait("#hs-depth label:has-text('Try them for me') input:checked")
    taught.wait("#hs-budget")


def test_one_press_takes_the_other_head_and_its_report_comes(
    visit: Visit, house: House, planted: Path
) -> None:
    visit.teach_folder(planted)
    first, button = newest_bundle(house), visit.page.locator("#hs-advice [data-way^='head-']")
    other = button.get_attribute("data-way")
    assert button.inner_text() == f"Teach again with {'every' if other == 'head-wide' else 'the last'} layer"

    button.click()

    visit.wait("#hs-since h2:has-text('since the run before')")
    second = newest_bundle(house)
    assert second != first
    assert bool(read_card(second).site.taps) != bool(read_card(first).site.taps)
    assert bool(read_card(second).site.taps) == (other == "head-wide")


def newest_bundle(house: House) -> Path:
    """What the run that was begun last gave."""
    job = house.newest_job()
    assert job is not None
    assert job["state"] == "done"
    return house.workspace / "jobs" / str(job["id"]) / str(job["result"])
