"""What the page reads and prepares in JavaScript is byte for byte what predict.py makes of the same file."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from headswap.exports.templates import pictures
from headswap.network import InputSpec
from tests.crafted import grey_jpeg
from tests.e2e import made_images as made
from tests.e2e.web_images import (
    BASE,
    GREY,
    MODULES,
    SMALL,
    SPECS,
    WEB,
    Case,
    as_base64,
    as_json,
    compare,
    files_under,
    open_page,
)

pytestmark = pytest.mark.browser

REAL = 160  # of some two thousand; all of them: python -m tests.e2e.web_images


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    opened = open_page(browser)
    yield opened
    opened.close()


def read(files: list[Path]) -> list[Case]:
    return [(str(file), file.read_bytes()) for file in files]


def chosen(folder: Path, count: int) -> list[Path]:
    """The same pictures in every run, out of all sets."""
    return random.Random(4).sample(files_under(folder), count)


@pytest.mark.parametrize(
    ("group", "least"),
    [
        (made.jpegs, 140),
        (made.turned, 80),
        (made.pngs, 280),
        pytest.param(made.large, 4, marks=pytest.mark.thorough),  # as real photos, which are tried below
    ],
    ids=lambda group: getattr(group, "__name__", ""),
)
def test_made_images_are_read_and_prepared_equally(
    page: Page, tmp_path: Path, group: Callable[[], made.Named], least: int
) -> None:
    found = compare(page, group(), SMALL, tmp_path / "image")

    assert found.differences == []
    assert found.inexact == 0
    assert found.equal >= least


def test_damaged_images_are_refused_by_both_or_read_equally(page: Page, tmp_path: Path) -> None:
    found = compare(page, made.damaged(), SMALL, tmp_path / "image")

    assert found.differences == []
    assert found.equal >= 150
    assert found.refused >= 150


def test_drawings_of_the_sample_set_are_read_and_prepared_equally(
    page: Page, tmp_path: Path, sample: Path
) -> None:
    found = compare(page, read(files_under(sample)), BASE, tmp_path / "image")

    assert found.differences == []
    assert found.equal == len(files_under(sample))


def test_real_pictures_are_read_and_prepared_equally(page: Page, tmp_path: Path, shared_data: Path) -> None:
    found = compare(page, read(chosen(shared_data / "data", REAL)), BASE, tmp_path / "image")

    assert found.differences == []
    assert found.equal == REAL


def test_files_that_hurt_readers_are_refused_by_both_or_read_equally(
    page: Page, tmp_path: Path, shared_data: Path
) -> None:
    found = compare(page, read(files_under(shared_data / "hazards")), BASE, tmp_path / "image")

    assert found.differences == []
    assert found.equal >= 20


@pytest.mark.parametrize("spec", SPECS, ids=range(len(SPECS)))
def test_every_way_of_preparing_gives_the_same_numbers(
    page: Page, tmp_path: Path, sample: Path, spec: InputSpec
) -> None:
    drawings = [
        made.drawing(*size) for size in ((640, 480), (37, 190), (300, 299), (224, 224), (1, 1), (90, 31))
    ]
    cases = [(str(one.size), made.saved(one, "PNG")) for one in drawings]
    cases += read(files_under(sample)[::60])

    found = compare(page, cases, spec, tmp_path / "image")

    assert found.differences == []
    assert found.equal == len(cases)


def test_the_modules_can_be_joined_to_one_script_and_imported_one_by_one(page: Page) -> None:
    texts = [(WEB / name).read_text(encoding="utf-8") for name in MODULES]
    names = re.findall(r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)", "\n".join(texts), re.M)

    offered = page.evaluate("async () => Object.keys(await import('/images.js'))")

    assert len(names) == len(set(names))
    assert all("</script" not in text for text in texts)
    for number, text in enumerate(texts):  # what a script takes from another is exported there, further up
        for taken, module in re.findall(r'^import \{ (.*) \} from "\./(.*)";$', text, re.M):
            above = texts[MODULES.index(module, 0, number)]
            for name in taken.split(", "):
                assert re.search(rf"^export (class|const|function) (\w+ = \w+, )*{name}\b", above, re.M), name
    assert sorted(offered) == ["Damaged", "imageFromRgba", "normalize", "prepare", "readImage"]


FRAME = """async ([width, height, numbers, spec]) => {
  const frame = { data: Uint8ClampedArray.from(numbers), width, height }, image = imageFromRgba(frame);
  return [Array.from(image.rgb), Array.from(prepare(image, spec))];
}"""


@pytest.mark.parametrize("spec", [BASE, GREY], ids=["colour", "grey"])
def test_a_frame_of_the_camera_goes_the_same_way(page: Page, spec: InputSpec) -> None:
    frame = made.drawing(50, 40).convert("RGBA")
    frame.putalpha(made.drawing(50, 40, seed=1).convert("L"))
    white = Image.new("RGB", frame.size, "white")
    white.paste(frame, (0, 0), frame)

    rgb, pixels = page.evaluate(FRAME, [*frame.size, list(frame.tobytes()), as_json(spec)])

    assert bytes(rgb) == white.tobytes()
    assert bytes(pixels) == pictures.prepare(white, as_json(spec)).tobytes()


ASK = """async ([text, spec]) => {
  try {
    const image = await readImage(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)), spec);
    return [image.kind, image.exact, image.width, image.height];
  } catch (error) { return [error instanceof Damaged, error.message]; }
}"""


@pytest.mark.parametrize("kind", ["WEBP", "GIF", "BMP", "AVIF"])
def test_other_kinds_are_left_to_the_browser_and_not_called_exact(page: Page, kind: str) -> None:
    whole = made.saved(made.drawing(80, 70), kind)

    assert page.evaluate(ASK, [as_base64(whole), as_json(BASE)]) == [
        {"WEBP": "WebP"}.get(kind, kind), False, 80, 70,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"what is this?", "not of a kind that is read here"),
        (b"P6 1 1 255 abc", "not of a kind that is read here"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "a film, not a picture"),
        (b"GIF89a", "damaged, or GIF, which this browser cannot read"),
        (b"\0\0\0\x18ftypheic\0\0\0\0heicmif1", "damaged, or HEIC, which this browser cannot read"),
        (made.saved(made.drawing(60, 50), "JPEG")[:900], "cut short"),
        (made.saved(made.drawing(5, 505), "PNG"), "too large or too narrow"),
        (made.saved(made.drawing(60, 50), "PNG")[:900], "cut short"),
    ],
)  # fmt: skip
def test_a_refusal_completes_a_sentence(page: Page, data: bytes, words: str) -> None:
    assert page.evaluate(ASK, [as_base64(data), as_json(BASE)]) == [True, words]


@pytest.mark.parametrize(
    ("size", "settings", "is_read"),
    [
        ((16000, 12500), {}, True),  # 200 megapixels, reduced while they are decoded
        ((16000, 12501), {}, False),
        pytest.param((14000, 14000), {"separate": True}, True, marks=pytest.mark.thorough),
    ],
)
def test_the_limits_of_sizes_are_pythons(
    page: Page, tmp_path: Path, size: tuple[int, int], settings: dict[str, bool], is_read: bool
) -> None:
    found = compare(page, [("grey.jpg", grey_jpeg(*size, **settings))], BASE, tmp_path / "image")

    assert found.differences == []
    assert (found.equal, found.refused) == ((1, 0) if is_read else (0, 1))
