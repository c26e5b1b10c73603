"""Pictures in a real browser: they come by folder, zip, file and camera, are corrected, and never lost."""

from __future__ import annotations

import base64
import io
import json
import random
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageCms, ImageDraw, ImageStat
from playwright.sync_api import FilePayload

from headswap.data.decode import read_image
from headswap.data.store import STORE_PX
from tests.e2e.house import WAIT_MS, House, Visit

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=document.title='stolen'>"
FolderOf = Callable[[dict[str, int]], Path]
Took = Callable[[str, float, float], None]


def classes(visit: Visit) -> dict[str, int]:
    """What the page says there is."""
    rows = visit.page.locator("#hs-classes .klass")
    return {
        row.locator("h3").inner_text(): int(row.locator(".tally").inner_text().replace(",", ""))
        for row in (rows.nth(i) for i in range(rows.count()))
    }


def give_folder(visit: Visit, folder: Path) -> None:
    visit.open_step("pictures")
    visit.page.set_input_files("#hs-picker input[type=file]", folder)
    visit.wait("#hs-classes .klass")


def give_zip(visit: Visit, file: Path) -> None:
    visit.page.set_input_files(".drop input[data-testid$='upload-button']", file)


def start_over(visit: Visit) -> None:
    """Let all pictures go."""
    visit.page.click("#hs-enough [data-edit=ask-start-over]")
    visit.page.click("#hs-view [data-edit=start-over]")
    visit.wait("#hs-classes .hs-empty")


def answer_place(visit: Visit, how: str) -> None:
    """Press a button of the question that a filled project asks."""
    visit.wait("#hs-picker dialog.place[open]")
    visit.page.click(f"#hs-picker dialog.place [value='{how}']")


def image(number: int, *, width: int = 160, height: int = 120) -> bytes:
    """A small picture that is unlike all others."""
    dice = random.Random(number)
    image = Image.new("RGB", (width, height), tuple(dice.randrange(256) for _ in range(3)))
    pen = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = dice.randrange(width), dice.randrange(height)
        pen.rectangle((x, y, x + 40, y + 30), fill=tuple(dice.randrange(256) for _ in range(3)))
    target = io.BytesIO()
    image.save(target, "JPEG")
    return target.getvalue()


def zip_of(place: Path, names: list[str]) -> Path:
    with zipfile.ZipFile(place, "w") as archive:
        for number, name in enumerate(names):
            archive.writestr(name, image(number) if name[-4:].lower() == ".jpg" else b"litter")
    return place


def test_class_names_stay_a_hostile_one_is_text_on_every_step_and_a_broken_image_stops_no_lesson(
    visit: Visit, class_folders: FolderOf, house: House, tmp_path: Path
) -> None:
    folder = class_folders({"red pens": 6, "ünïcode 猫": 6, HOSTILE: 6})
    (folder / "red pens" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (folder / "red pens" / "<b>broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (folder / ".DS_Store").write_bytes(b"hidden")
    (folder / "red pens" / "large.jpg").write_bytes(large_photo())

    give_folder(visit, folder)

    page = visit.page
    assert set(classes(visit)) == {"red pens", "ünïcode 猫", HOSTILE}
    assert "19 pictures in three classes" in page.inner_text("#hs-classes h2")
    mark = page.locator("#hs-classes .keys .q i").first.bounding_box()
    assert mark is not None
    assert mark["width"] == mark["height"], "a ? in a circle"
    assert all(name in page.inner_text("#hs-checks .left-out") for name in ("broken.jpg", "<b>broken.jpg"))
    assert ".DS_Store" not in page.inner_text("#hs-checks")
    visit.wait("#hs-new-head:has-text('→ 3')")
    page.click("#hs-classes .klass h3:has-text('<img') >> xpath=.. >> .look >> nth=0")
    visit.wait("#hs-view dialog[open] h2:has-text('<img')")
    page.click("#hs-view .back")
    visit.wait("#hs-view dialog[open] [data-edit=rename]")
    page.keyboard.press("Escape")
    visit.open_step("model")
    visit.wait("#hs-head svg text:has-text('ünïcode 猫')")
    assert page.title() == "headswap"
    assert page.locator("img[src=x]").count() == 0

    visit.open_step("teaching")
    visit.wait("#hs-teach:not([disabled])")
    page.click("#hs-teach")
    visit.wait("#hs-chip [data-state=done]")
    visit.open_step("teaching")
    assert HOSTILE in page.inner_text("#hs-six")
    visit.open_step("test")
    visit.wait("#hs-grid .cell")
    assert HOSTILE[:8] in page.inner_text("#hs-grid")
    page.set_input_files("#hs-try input[type=file]", next((folder / HOSTILE).iterdir()))
    visit.wait("#hs-answer .bars")
    assert HOSTILE in page.inner_text("#hs-answer .bars")
    visit.open_step("home")
    visit.packed()
    assert HOSTILE in page.inner_text("#hs-use")
    page.goto(f"{house.url}runs")
    visit.wait("#hs-runs table")
    visit.moved_on()

    assert page.title() in ("headswap", "Runs")
    assert page.locator("img[src=x]").count() == 0


def large_photo() -> bytes:
    """A photo that the browser makes smaller before it travels."""
    noise = random.Random(0).randbytes(1500 * 1100 * 3)
    target = io.BytesIO()
    Image.frombytes("RGB", (1500, 1100), noise).save(target, "JPEG")
    return target.getvalue()


def test_a_zip_from_a_mac_with_a_wrapper_one_with_parts_and_a_table_beside_are_understood(
    visit: Visit, house: House, tmp_path: Path
) -> None:
    names = [f"My things/{name}/a {i}.JPG" for name in ("Straße", "two words") for i in range(4)]
    litter = ["__MACOSX/My things/Straße/._a 0.JPG", "My things/.DS_Store"]
    uploads = Path(json.loads((house.workspace / "temporary.json").read_text())["folder"])
    before = set(uploads.rglob("*.zip"))  # what earlier tests packed to take home
    visit.open_step("pictures")

    give_zip(visit, zip_of(tmp_path / "My things.zip", [*names, *litter]))

    visit.wait("#hs-classes .klass")
    assert classes(visit) == {"Straße": 4, "two words": 4}
    assert "left out" not in visit.page.inner_text("#hs-checks ul").lower().replace("none was left out", "")
    start_over(visit)
    parts = [f"{part}/{name}/{i}.jpg" for part in ("train", "test") for name in "ab" for i in range(5)]
    give_zip(visit, zip_of(tmp_path / "parts.zip", parts))
    visit.wait("#hs-classes .klass")
    assert classes(visit) == {"a": 10, "b": 10}
    assert "10 locked away" in visit.page.inner_text("#hs-classes .keys")
    assert "Your own folders decide" in visit.page.inner_text("#hs-checks")
    assert "train, val and test" in visit.page.inner_text("#hs-enough")
    assert uploads.is_dir()
    assert set(uploads.rglob("*.zip")) <= before  # what was taken in is kept once

    start_over(visit)
    (tmp_path / "mine" / "photos").mkdir(parents=True)
    for number in range(12):
        (tmp_path / "mine" / "photos" / f"{number}.jpg").write_bytes(image(number))
    rows = [f"{number}.jpg;{'mug' if number % 3 else 'pen'}" for number in range(12)]
    (tmp_path / "mine" / "labels.csv").write_text("\n".join(["file;label", *rows]), encoding="utf-8")
    give_folder(visit, tmp_path / "mine")
    assert classes(visit) == {"mug": 8, "pen": 4}


def test_one_class_or_one_image_leaves_the_teach_button_asleep_and_says_why(
    visit: Visit, class_folders: FolderOf, tmp_path: Path
) -> None:
    page = visit.page
    visit.open_step("pictures")
    assert page.is_disabled("#hs-to-teach")
    (tmp_path / "empty" / "inside").mkdir(parents=True)
    (tmp_path / "empty" / ".DS_Store").write_bytes(b"hidden")
    page.set_input_files("#hs-picker input[webkitdirectory]", tmp_path / "empty")
    visit.wait("#hs-picker .packing:has-text('There is nothing in that folder.')")
    assert page.is_disabled("#hs-to-teach")
    give_folder(visit, class_folders({"lonely": 1}))

    assert "So far there is only lonely. It needs a second class" in page.inner_text("#hs-pictures .say")
    assert page.is_disabled("#hs-to-teach")
    visit.open_step("teaching")
    visit.wait("#hs-live:has-text('So far there is only lonely')")
    assert page.is_disabled("#hs-teach")

    visit.open_step("pictures")
    give_zip(visit, zip_of(tmp_path / "other.zip", ["other/1.jpg"]))
    answer_place(visit, "add")
    visit.wait("#hs-classes .klass >> nth=1")
    visit.wait("#hs-pictures .say:has-text('too few pictures to lock any away')")
    assert page.is_disabled("#hs-to-teach")
    give_zip(visit, zip_of(tmp_path / "more.zip", [f"other/{i}.jpg" for i in range(12)]))
    answer_place(visit, "add")
    visit.wait("#hs-to-teach:not([disabled])")


def test_classes_and_images_are_mended_and_every_step_is_undone(visit: Visit) -> None:
    page = visit.page
    visit.open_step("pictures")
    page.click("#hs-sample")
    visit.wait("#hs-classes .klass")
    whole = classes(visit)

    page.click("[aria-label='Rename, merge or leave out bug']")
    page.fill("#hs-view [data-edit=rename] input", "FRUIT")
    page.keyboard.press("Enter")
    visit.wait("#hs-view .mistake:has-text('There is a class called fruit already.')")
    page.fill("#hs-view [data-edit=rename] input", "bee & co <b>")
    page.keyboard.press("Enter")
    visit.wait(".changed:has-text('bug is now called bee & co <b>.')")
    page.wait_for_function("document.activeElement.dataset.edit === 'undo'")  # the keyboard goes on there
    assert classes(visit) == {"bee & co <b>": 24, "bird": 24, "fruit": 24, "vehicle": 24}

    page.click("[data-class=bird] .look >> nth=2")
    visit.wait("#hs-view dialog[open] .large img")
    page.select_option("#hs-view [data-edit=relabel] select", "fruit")
    page.click("#hs-view [data-edit=relabel] >> nth=0 >> button")
    visit.wait(".changed:has-text('is now in fruit')")
    page.click("[data-class=fruit] .look >> nth=0")
    page.click("#hs-view [data-edit=drop]")
    visit.wait(".changed:has-text('left out')")
    assert classes(visit) == {"bee & co <b>": 24, "bird": 23, "fruit": 24, "vehicle": 24}

    page.click("[data-class=vehicle] .more")
    visit.wait("#hs-view dialog[open] .all")
    assert page.locator("#hs-view .all .look").count() == 24
    page.select_option("#hs-view [data-edit=merge] select", "bird")
    page.click("#hs-view [data-edit=merge] button")
    visit.wait(".changed:has-text('The pictures of vehicle are now in bird.')")
    page.click("[aria-label='Rename, merge or leave out fruit']")
    page.click("#hs-view [data-edit=drop-class]")
    visit.wait(".changed:has-text('fruit was left out.')")
    assert classes(visit) == {"bee & co <b>": 24, "bird": 47}

    visit.reload()
    visit.open_step("pictures")
    for sentence in ("in bird", "left out", "in fruit", "is now called"):
        page.click("[data-edit=undo]")
        visit.wait(f".changed:has-text('{sentence}')")
    page.click("[data-edit=undo]")
    visit.wait(".changed", state="detached")
    assert classes(visit) == whole


def test_what_is_no_zip_is_refused_and_a_folder_on_a_filled_project_asks_and_can_be_undone(
    visit: Visit, class_folders: FolderOf, tmp_path: Path
) -> None:
    page = visit.page
    page.click("#hs-how > button")  # a field of step 1 stands before the picker's own
    visit.wait("#hs-path")
    visit.open_step("pictures")
    assert page.locator("#hs-put").is_hidden()
    (tmp_path / "holiday.zip").write_bytes(b"this is not a zip")
    give_zip(visit, tmp_path / "holiday.zip")
    visit.wait("#hs-pictures-status .mistake")
    assert "holiday" in page.inner_text("#hs-pictures-status")
    visit.wait("#hs-chip [data-state=idle]")
    page.click("#hs-sample")
    visit.wait("#hs-classes .klass")
    assert page.locator("#hs-pictures-status .mistake").count() == 0
    assert page.locator("#hs-sample:visible").count() == 0
    folder = class_folders({"mug": 4, "pen": 4})

    page.set_input_files("#hs-picker input[webkitdirectory]", folder)
    visit.wait("#hs-picker dialog.place[open]:has-text('There are 96 pictures in four classes already')")
    page.click("#hs-picker dialog.place [value='']")
    assert len(classes(visit)) == 4

    page.set_input_files("#hs-picker input[webkitdirectory]", folder)
    answer_place(visit, "replace")
    visit.wait(".changed:has-text('8 pictures took the place of those before.')")
    assert classes(visit) == {"mug": 4, "pen": 4}
    page.click("[data-edit=undo]")
    visit.wait("#hs-classes h2:has-text('96 pictures')")

    give_zip(visit, zip_of(tmp_path / "more.zip", ["mug/1.jpg", "mug/2.jpg"]))
    answer_place(visit, "add")
    visit.wait(".changed:has-text('2 pictures added.')")
    assert len(classes(visit)) == 5
    page.click("#hs-sample")  # it is not all that is there any more: it can be asked for
    visit.wait("#hs-view dialog[open]:has-text('in the place of your 98 pictures')")
    page.click("#hs-view [data-edit=sample]")
    visit.wait("#hs-classes h2:has-text('96 pictures')")


# Lets the picker pack, and catches the zip: (how many files its short record counts, the zip).
PACK = """async (made) => {
  const target = document.querySelector('.drop input[data-testid$="upload-button"]');
  const caught = new Promise((done) => target.addEventListener('change', (sent) => {
    sent.stopImmediatePropagation(); done(target.files[0]);
  }, { capture: true, once: true }));
  const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const found = made.files.map(([path, data]) => [path, new File([bytesOf(data)], path.split('/').pop())]);
  for (let n = 0; n < made.notes; n++) {  // no real files: to fetch so many takes half a minute
    const bytes = new TextEncoder().encode(n);
    const file = { name: `${n}.txt`, size: bytes.length, arrayBuffer: async () => bytes.buffer };
    found.push([`many/${n}.txt`, file]);
  }
  await globalThis.headswap.take(found, { intoClasses: true });
  const zip = await caught, tail = new DataView(await zip.slice(-22).arrayBuffer());
  const bytes = new Uint8Array(await zip.arrayBuffer()), text = [];
  for (let at = 0; at < bytes.length; at += 32768) {
    text.push(String.fromCharCode(...bytes.subarray(at, at + 32768)));
  }
  return [tail.getUint16(10, true), btoa(text.join(''))];
}"""


def packed(visit: Visit, files: dict[str, bytes], notes: int = 0) -> tuple[int, zipfile.ZipFile]:
    made = {
        "files": [[name, base64.b64encode(data).decode()] for name, data in files.items()],
        "notes": notes,
    }
    count, data = visit.page.evaluate(PACK, made)
    return count, zipfile.ZipFile(io.BytesIO(base64.b64decode(data)))


def blue_called_red() -> bytes:
    """A colour profile that shows red as blue, to anyone who minds it."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"?XYZ").replace(b"bXYZ", b"rXYZ").replace(b"?XYZ", b"bXYZ")


def test_the_picker_packs_all_and_hands_over_what_the_server_would_keep_itself(visit: Visit) -> None:
    dice = random.Random(1)
    photo = Image.frombytes("RGB", (40, 30), dice.randbytes(3600)).resize(
        (2400, 1800), Image.Resampling.BICUBIC
    )
    exif, turned = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    photo.save(turned, "JPEG", quality=97, exif=exif, icc_profile=blue_called_red())
    clear, deep = io.BytesIO(), io.BytesIO()
    see_through = photo.copy()
    see_through.putalpha(Image.linear_gradient("L").resize(photo.size))
    see_through.save(clear, "PNG", compress_level=1)
    values = [dice.randrange(4096) for _ in range(400 * 400)]  # a 12-bit camera
    Image.frombytes("I;16", (400, 400), struct.pack(f"<{len(values)}H", *values)).save(deep, "PNG")
    files = {
        "a/photo.jpg": turned.getvalue(), "a/clear.png": clear.getvalue(), "a/deep.png": deep.getvalue(),
        "a/sign.ppm": b"P6 300 300 255\n" + dice.randbytes(270_000),
    }  # fmt: skip
    visit.open_step("pictures")
    count, archive = packed(visit, {}, notes=65_540)  # more than an old zip can count
    assert count == 0xFFFF, "the short record says: look into the long one"
    assert len(archive.infolist()) == 65_540
    assert [archive.read(f"many/{n}.txt") for n in (0, 65_535, 65_539)] == [b"0", b"65535", b"65539"]

    _, archive = packed(visit, files)

    assert archive.read("a/deep.png") == files["a/deep.png"], "a canvas would make it black"
    assert archive.read("a/sign.ppm") == files["a/sign.ppm"]
    for name in ("a/photo.jpg", "a/clear.png"):
        own = read_image(files[name], name=name, wanted_px=STORE_PX // 2)
        own.thumbnail((853, 853))
        sent = read_image(archive.read(name), name=name)
        assert min(sent.size) == STORE_PX
        assert len(archive.read(name)) < len(files[name]) / 2
        difference = ImageChops.difference(sent, own.resize(sent.size))
        assert max(ImageStat.Stat(difference).mean) < 2.5, name


def test_the_button_beside_a_finding_mends_it(visit: Visit, class_folders: FolderOf) -> None:
    folder = class_folders({"mug": 14, "pen": 5})
    for name in ("picture 0", "picture 1"):
        data = (folder / "mug" / f"{name}.PNG").read_bytes()
        (folder / "mug" / f"{name} copy.PNG").write_bytes(data)
    give_folder(visit, folder)
    page = visit.page
    assert classes(visit)["mug"] == 16
    assert "exact copies" in page.inner_text("#hs-checks")

    page.click("#hs-checks li:has-text('exact copies') >> [data-edit=show]")
    visit.wait("#hs-view dialog[open] .all .look")
    page.click("#hs-view [data-close]")
    page.click("#hs-checks li:has-text('exact copies') >> [data-edit=mend]")

    visit.wait(".changed:has-text('2 pictures are left out.')")
    assert classes(visit)["mug"] == 14
    assert "exact copies" not in page.inner_text("#hs-checks")
    with page.expect_file_chooser() as chooser:
        page.click("#hs-checks li:has-text('Few pictures of pen') >> [data-add=pen]")
    chooser.value.set_files(
        [FilePayload(name=f"{i}.jpg", mimeType="image/jpeg", buffer=image(i)) for i in (1, 2)]
    )
    visit.wait(".changed:has-text('2 pictures added.')")
    assert classes(visit)["pen"] == 7


def test_loose_images_make_a_class_on_a_phone(enter: Callable[..., Visit]) -> None:
    visit = enter(width=390, height=844)
    page = visit.page
    visit.open_step("pictures")
    page.click("#hs-classes .new-class [data-add]")
    assert page.inner_text("#hs-classes [role=alert]") == "Type its name first."

    page.fill("#hs-classes .new-class input", "my/mug")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    shots = [FilePayload(name="image.jpg", mimeType="image/jpeg", buffer=image(i)) for i in range(3)]
    chooser.value.set_files(shots)
    visit.wait("#hs-classes .klass")
    with page.expect_file_chooser() as chooser:
        page.click("#hs-picker .loose")
    chooser.value.set_files([FilePayload(name="b.jpg", mimeType="image/jpeg", buffer=image(9))])
    visit.wait("#hs-picker dialog[open]:has-text('What does this picture show?')")
    page.fill("#hs-picker dialog input", "pen")
    page.keyboard.press("Enter")
    visit.wait("[data-class=pen]")
    assert page.inner_text("#hs-picker .packing").startswith("1 file, ")

    assert classes(visit) == {"my mug": 3, "pen": 1}
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def filmed(visit: Visit, least: int) -> None:
    """Wait until the camera has kept so many."""
    says = "parseInt(document.querySelector('#hs-camera .add').textContent.split(' ')[1])"
    visit.page.wait_for_function(f"{says} >= {least}")


def test_the_camera_films_while_a_button_or_the_space_bar_is_held_and_needs_https(
    visit: Visit, took: Took
) -> None:
    page = visit.page
    visit.open_step("pictures")
    page.click("#hs-camera .open-camera")
    visit.wait("#hs-camera .hold:not([disabled])")

    page.hover("#hs-camera .hold")
    start = time.monotonic()
    page.mouse.down()
    filmed(visit, 10)
    page.mouse.up()
    seconds = time.monotonic() - start
    page.wait_for_selector("#hs-camera .hold:not(.on)")  # the frame that was being taken is there, too
    shots = page.locator("#hs-camera .shot")
    before = shots.count()
    shots.nth(1).click()
    page.wait_for_function("document.activeElement.matches('#hs-camera .shot:nth-child(2)')")
    assert shots.count() == before - 1
    assert f"Add {before - 1} pictures" in page.inner_text("#hs-camera .add")
    assert shots.last.get_attribute("aria-label") == f"Take picture {before - 1} out"
    page.click("#hs-camera .add")
    visit.wait("#hs-camera [role=status]:has-text('Type the name of the class first.')")
    page.fill("#hs-camera input", "green")
    page.click("#hs-camera .add")
    visit.wait("#hs-classes .klass")
    first = classes(visit)
    page.click("[data-camera=green]")
    visit.wait("#hs-camera .hold:not([disabled])")
    page.keyboard.down(" ")
    filmed(visit, 4)
    page.keyboard.up(" ")
    page.click("#hs-camera .add")
    visit.wait(".changed")

    took("camera: 10 pictures, s", seconds, 1)
    assert set(first) == set(classes(visit)) == {"green"}
    assert 1 <= first["green"] < before  # frames of a fake camera may be the same, and are then one picture
    page.click("[data-class=green] .look >> nth=0")
    visit.wait("#hs-view dialog[open] .large img")
    size = page.inner_text("#hs-view .large .nowrap")
    assert min(int(number) for number in size.removesuffix(" px.").split(" × ")) >= 224

    page.add_init_script("Object.defineProperty(window, 'isSecureContext', { value: false })")
    visit.reload()
    visit.open_step("pictures")
    page.click("#hs-camera .open-camera")
    visit.wait("#hs-camera [role=status]:has-text('only to pages opened with https')")
    assert page.is_disabled("#hs-camera .hold")


def test_new_images_take_no_images_from_a_finished_run(visit: Visit) -> None:
    page = visit.page
    visit.use_sample()
    visit.teach()
    visit.wait("#hs-opened img")
    visit.open_step("pictures")

    start_over(visit)
    visit.wait("#hs-stale .callout")
    assert page.locator("#hs-chip [data-stale]").count() == 1
    visit.reload()
    visit.wait("#hs-pictures-button[aria-selected=true]")  # the step is in the address

    visit.open_step("test")
    visit.wait("#hs-opened img")
    assert "of the pictures as they were" in page.inner_text("#hs-stale")
    assert page.locator("#hs-test .plate.gone").count() == 0
    visit.open_step("pictures")
    page.click("#hs-sample")  # nothing is there to be replaced: nothing is asked
    visit.wait("#hs-classes .klass")


def test_twelve_hundred_images_leave_the_page_awake(visit: Visit, tmp_path: Path, took: Took) -> None:
    folder = tmp_path / "many"
    for number in range(1200):
        place = folder / f"class {number % 12:02d}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.jpg").write_bytes(image(number, width=320, height=240))
    page = visit.page
    visit.open_step("pictures")

    start = time.monotonic()
    page.set_input_files("#hs-picker input[type=file]", folder)
    visit.wait("#hs-chip .busy, #hs-classes .klass")
    asked = time.monotonic()
    visit.open_step("model")
    visit.open_step("pictures")
    turned = time.monotonic() - asked
    page.wait_for_selector("#hs-classes .klass", timeout=3 * WAIT_MS)
    seconds = time.monotonic() - start

    assert sum(classes(visit).values()) == 1200
    took("1,200 pictures, s", seconds, 60)
    took("two tabs opened meanwhile, s", turned, 2)
