"""Pictures are taken in once, in order, by name, and without the memory growing."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from threading import Barrier, Lock

import numpy as np
import pytest
from PIL import Image

from headswap.data import decode
from headswap.data.ingest import ReadPolicy, ingest
from headswap.data.manifest import Manifest
from headswap.data.store import reread
from headswap.data.transforms import prepare, wanted_px
from headswap.errors import BadUpload, Cancelled, TooFewImages, UnreadableImage
from headswap.events import Event, Progress
from headswap.network import InputSpec
from headswap.storage.files import from_json, to_json

HAZARDS = Path(__file__).parents[2].parent / "shared" / "hazards"
SPEC = InputSpec()


def scene(seed: int, width: int = 80, height: int = 60) -> Image.Image:
    small = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def pets(root: Path, *, each: int = 3, ending: str = "jpg", width: int = 80, height: int = 60) -> Path:
    for place, name in enumerate(("cat", "dog")):
        (root / name).mkdir(parents=True)
        for number in range(each):
            scene(100 * place + number, width, height).save(root / name / f"{number}.{ending}")
    return root


def zipped(folder: Path) -> Path:
    return Path(shutil.make_archive(str(folder), "zip", folder))


def test_a_folder_becomes_a_manifest(tmp_path: Path) -> None:
    root = pets(tmp_path / "pets")

    manifest = ingest(root).manifest

    first = manifest.images[0]
    assert manifest.counts == {"cat": 3, "dog": 3}
    assert (first.file, first.class_name, first.width, first.height) == ("cat/0.jpg", "cat", 80, 60)
    assert first.sha256 == hashlib.sha256((root / "cat/0.jpg").read_bytes()).hexdigest()
    assert manifest.path(first) == root / "cat/0.jpg"
    assert len(first.fingerprint) == 64
    assert 0 < first.brightness < 1
    assert from_json(Manifest, to_json(manifest)) == manifest


def test_every_hazard_is_named_or_used(tmp_path: Path) -> None:
    if not HAZARDS.is_dir():
        pytest.skip("the hazards are not next to this clone")
    root = pets(tmp_path / "pets", each=5)
    rows = json.loads((HAZARDS / "manifest.json").read_text())["files"]
    for number, row in enumerate(rows):
        shutil.copy(HAZARDS / row["file"], root / ("cat", "dog")[number % 2])

    manifest = ingest(root, store=tmp_path / "store", prepare=lambda image: prepare(image, SPEC)).manifest

    used = {image.file.split("/")[1] for image in manifest.images}
    named = {left.file.split("/")[1]: left.reason for left in manifest.left_out}
    assert used | named.keys() == {row["file"] for row in rows} | {f"{number}.jpg" for number in range(5)}
    assert used.isdisjoint(named)
    raising = {row["file"] for row in rows if row["verdict"] == "raises"} - {"avif__hopper.heif"}
    assert raising <= named.keys()
    refused = {name for name in named if name not in raising}
    assert all("which is not read here" in named[name] for name in refused), "only formats outside the list"
    assert named["bomb_20000x20000_1bit.png"] == (
        "bomb_20000x20000_1bit.png is 20000 x 20000 pixels; the limit is 200 megapixels."
    )


@pytest.mark.parametrize("threads", [1, 4])
def test_results_come_in_the_order_of_the_names(tmp_path: Path, threads: int) -> None:
    root = pets(tmp_path / "pets", each=20)
    (root / "cat/0.jpg").write_bytes(scene(7, 2000, 1500).tobytes()[:5000])  # refused, and first

    manifest = ingest(root, threads=threads).manifest

    names = [image.file for image in manifest.images]
    assert names == sorted(names)
    assert len(names) == 39


@pytest.mark.parametrize("ending", ["jpg", "png"])
@pytest.mark.parametrize("stored", [False, True])
def test_what_is_read_again_is_what_was_prepared(tmp_path: Path, ending: str, stored: bool) -> None:
    root = pets(tmp_path / "pets", each=1, ending=ending, width=1500, height=1100)

    intake = ingest(
        root,
        store=tmp_path / "store" if stored else None,
        prepare=lambda image: prepare(image, SPEC),
        wanted_px=wanted_px(SPEC),
    )

    assert len(intake.prepared) == 2
    for image in intake.manifest.images:
        again = prepare(reread(intake.manifest, image, wanted_px(SPEC)), SPEC)
        np.testing.assert_array_equal(again, intake.prepared[image.sha256])
    assert (intake.manifest.images[0].width, intake.manifest.images[0].height) == (1500, 1100)


def test_prepared_inputs_stop_at_the_memory_given(tmp_path: Path) -> None:
    root = pets(tmp_path / "pets", each=10)
    room = 3 * SPEC.height * SPEC.width * SPEC.channels

    intake = ingest(root, prepare=lambda image: prepare(image, SPEC), keep_bytes=room)

    assert len(intake.prepared) == 3
    assert len(intake.manifest.images) == 20


def test_a_store_keeps_small_upright_images_without_metadata(tmp_path: Path) -> None:
    root = pets(tmp_path / "pets", each=2)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "SecretMaker"
    exif.get_ifd(0x8825)[1] = "N"
    scene(9, 2000, 1500).save(root / "cat/phone.jpg", exif=exif, comment=b"SecretPlace")
    text = io.BytesIO((root / "cat/phone.jpg").read_bytes())
    scene(8, 900, 700).save(root / "dog/shot.png", exif=exif)

    manifest = ingest(root, store=tmp_path / "store").manifest

    phone = next(image for image in manifest.images if image.file == "cat/phone.jpg")
    assert b"SecretMaker" in text.getvalue()
    assert (phone.width, phone.height) == (1500, 2000)
    assert phone.source == f"{phone.sha256}.jpg"
    assert phone.sha256 == hashlib.sha256(text.getvalue()).hexdigest()
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == sorted(
        image.source for image in manifest.images
    )
    for path in (tmp_path / "store").iterdir():
        with Image.open(path) as kept:
            assert kept.mode == "RGB"
            assert min(kept.size) <= 640
            assert dict(kept.getexif()) == {}
        assert b"Secret" not in path.read_bytes()
    with Image.open(manifest.path(phone)) as kept:
        assert kept.size == (640, 853)


def test_a_zip_goes_through_a_store_and_nowhere_else(tmp_path: Path) -> None:
    path = zipped(pets(tmp_path / "pets"))
    folder = ingest(tmp_path / "pets").manifest
    before = set(tmp_path.rglob("*"))

    manifest = ingest(path, store=tmp_path / "store").manifest

    assert manifest.counts == {"cat": 3, "dog": 3}
    assert {each.sha256 for each in manifest.images} == {each.sha256 for each in folder.images}
    new = set(tmp_path.rglob("*")) - before - {tmp_path / "store"}
    assert {each.parent for each in new} == {tmp_path / "store"}
    with pytest.raises(
        BadUpload, match=r"pets\.zip is a zip\. Name a folder that its pictures may be kept in"
    ):
        ingest(path)


def test_a_damaged_member_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = zipped(pets(tmp_path / "pets"))
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("cat/1.jpg")
    data = bytearray(path.read_bytes())
    data[info.header_offset + 200] ^= 0xFF
    path.write_bytes(data)

    manifest = ingest(path, store=tmp_path / "store").manifest

    assert [(left.file, left.reason) for left in manifest.left_out] == [
        ("cat/1.jpg", "1.jpg is damaged inside the zip.")
    ]
    assert len(manifest.images) == 5


def test_a_class_without_a_readable_image_ends_with_the_reason(tmp_path: Path) -> None:
    root = pets(tmp_path / "pets")
    for path in (root / "dog").iterdir():
        path.write_bytes(b"not a picture")

    with pytest.raises(TooFewImages, match=r"Only pictures of cat can be read .*0\.jpg is not a picture"):
        ingest(root)
    assert ingest(root, min_classes=1).manifest.counts == {"cat": 3}
    for path in (root / "cat").iterdir():
        path.write_bytes(b"")
    with pytest.raises(TooFewImages, match=r"No picture of pets can be read .*0\.jpg is empty"):
        ingest(root, min_classes=1)


def test_the_reason_that_most_images_share_is_named_and_notes_come_last(tmp_path: Path) -> None:
    root = tmp_path / "signs"
    (root / "stop").mkdir(parents=True)
    (root / "SOURCE.md").write_text("where they come from")
    (root / "stop" / "a.png").write_bytes(b"")
    (root / "stop" / "notes.txt").write_text("taken in June")
    for number in range(4):
        (root / "stop" / f"{number:05}.ppm").write_bytes(b"P6 4000 3000 255\n cut")

    with pytest.raises(
        TooFewImages,
        match=r"signs can be read \(7 files left out, most for this reason: 00000\.ppm is cut short",
    ):
        ingest(root, min_classes=1)

    scene(1).save(root / "stop" / "fine.ppm")
    left_out = ingest(root, min_classes=1).manifest.left_out
    assert [left.file.rsplit("/", 1)[-1] for left in left_out][-2:] == ["SOURCE.md", "notes.txt"]


def test_a_folder_and_a_zip_of_ppm_are_the_same_images(tmp_path: Path) -> None:
    root = pets(tmp_path / "signs", ending="ppm")

    folder = ingest(root).manifest
    unpacked = ingest(zipped(root), store=tmp_path / "store").manifest

    assert folder.counts == unpacked.counts == {"cat": 3, "dog": 3}
    assert not folder.left_out
    again = reread(unpacked, unpacked.images[0])
    assert np.array_equal(np.asarray(again), np.asarray(reread(folder, folder.images[0])))


def test_large_images_wait_until_there_is_memory_for_them(tmp_path: Path) -> None:
    root = pets(tmp_path / "pets", each=8, ending="png")
    need = max(decode.open_image(path.read_bytes(), name="x").memory_bytes for path in root.rglob("*.png"))
    now = {"open": 0, "most": 0}

    def prepare_slowly(image: Image.Image) -> np.ndarray:
        with lock:
            now["open"] += 1
            now["most"] = max(now["most"], now["open"])
        together.wait(timeout=60)
        with lock:
            now["open"] -= 1
        return np.asarray(image)

    lock, together = Lock(), Barrier(2)
    limits = decode.ImageLimits(memory_bytes=2 * need + 1000)

    manifest = ingest(root, threads=8, prepare=prepare_slowly, policy=ReadPolicy(limits=limits)).manifest

    assert now["most"] == 2, "two have room next to each other, and there are two"
    assert len(manifest.images) == 16


def test_progress_counts_files_and_a_stop_is_heard(tmp_path: Path) -> None:
    root = pets(tmp_path / "pets", each=30)
    heard: list[Event] = []

    def stop_at_ten(event: Event) -> None:
        heard.append(event)
        if len(heard) == 10:
            raise Cancelled

    with pytest.raises(Cancelled):
        ingest(root, listener=stop_at_ten)

    assert heard[-1] == Progress("pictures", 10, 60)


def test_an_image_that_has_gone_is_a_sentence(tmp_path: Path) -> None:
    root = pets(tmp_path / "pets")
    manifest = ingest(root).manifest
    (root / "cat/0.jpg").unlink()

    with pytest.raises(
        UnreadableImage, match=r"cat/0\.jpg is no longer where it was\. Give the pictures again"
    ):
        reread(manifest, manifest.images[0])


def test_an_image_that_is_there_and_cannot_be_opened_is_not_said_to_have_gone(tmp_path: Path) -> None:
    root = pets(tmp_path / "pets")
    manifest = ingest(root).manifest
    (root / "cat/0.jpg").unlink()
    (root / "cat/0.jpg").mkdir()  # not by modes: root opens all

    with pytest.raises(UnreadableImage, match=r"cat/0\.jpg cannot be opened: .+\. Check that you may read"):
        reread(manifest, manifest.images[0])


def test_images_of_a_phone_do_not_fill_the_memory(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    assert resource
    root = tmp_path / "pets"
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        scene(len(name) + ord(name[0]), 4032, 3024).save(root / name / "0.jpg")
        for number in range(1, 20):
            shutil.copy(root / name / "0.jpg", root / name / f"{number}.jpg")
    code = (
        "import resource, sys; from pathlib import Path; from headswap.data.ingest import ingest\n"
        "grown = []\n"
        "ingest(Path(sys.argv[1]), threads=2, listener=lambda event: grown.append("
        "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))\n"
        "assert 'torch' not in sys.modules\n"
        "sys.stdout.write(f'{grown[9]} {grown[-1]}')"
    )

    run = subprocess.run([sys.executable, "-c", code, root], capture_output=True, text=True, check=True)

    early, late = map(int, run.stdout.split())
    scale = 2**20 if sys.platform == "darwin" else 2**10
    assert (late - early) / scale < 20, "megabytes between the 10th and the last picture"


class Counting:
    """Waits at each picture until `wanted` are prepared before their turn; counts the most that ever were."""

    def __init__(self, *, alone: bool, wanted: int) -> None:
        self.needs_every_core, self.wanted = alone, wanted
        self.begun, self.taken, self.most_ahead = 0, 0, 0

    def expect(self, total: int) -> None:
        assert total == 60

    def prepare(self, image: Image.Image) -> np.ndarray:
        self.begun += 1
        return np.asarray(image)

    def add(self, sha256: str, image: np.ndarray) -> None:
        self.taken += 1
        end = time.monotonic() + 60
        while self.begun < min(60, self.taken + self.wanted) and time.monotonic() < end:
            time.sleep(0.001)
        time.sleep(0.005)  # time for a reader to prepare more than that
        self.most_ahead = max(self.most_ahead, self.begun - self.taken)


def test_images_are_prepared_ahead_only_where_the_body_is_not_hindered(tmp_path: Path) -> None:
    root = pets(tmp_path / "pets", each=30)
    ahead = {}
    for alone, wanted in ((True, 4), (False, 59)):
        sink = Counting(alone=alone, wanted=wanted)
        ingest(root, prepare=sink.prepare, sink=sink, threads=2)
        ahead[alone] = sink.most_ahead

    assert ahead == {True: 4, False: 59}
