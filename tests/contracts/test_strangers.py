"""What strangers hand in, through the very reader that a server uses: a child with limits."""

from __future__ import annotations

import re
import zipfile
from base64 import b64encode
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from headswap.app.processes.child import ChildProcess
from headswap.app.processes.importing import Imported, ReaderLimits, ReadUpload
from headswap.app.processes.reader import Reader
from headswap.data.layout import class_name
from headswap.errors import HeadswapError, UnreadableImage

MEMORY_BYTES = 1_000_000_000
NAMES = (
    "Tasse", "tasse ", "e\u0301cole", "école ", "ÉCOLE", "straße", "CON", "nul.txt", "aux", "com1", "LPT9.",
    "a.b.c", "<img src=x onerror=alert(1)>", "<script>alert(1)", "&amp;", "\"quoted\"", "it's",
    "`rm -rf`", "$(reboot)", "%s%n", "{0}", "=cmd|' !A0", "+1", "@SUM(A1)", "-2",
    "; DROP TABLE job;--", "\u202egnp.exe", "\u2066isolated\u2069", "zero\u200bwidth", "emoji 🐈", "猫", "قط",
    "עברית", "tab\tbed", "new\nline", "x" * 200, "trailing dot.", "~", "*?", "at 10:30",
)  # fmt: skip


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    limits = ReaderLimits(memory_bytes=MEMORY_BYTES, patience_s=600.0)
    room = tmp_path_factory.mktemp("room")
    opened = Reader(room / "logs", limits, scratch=room / "scratch", upload_timeout_s=3600.0)
    yield opened
    opened.close()


def image(number: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (48, 36), (number * 37 % 256, number * 91 % 256, 128)).save(file, "PNG")
    return file.getvalue()


def hand_in(reader: Reader, place: Path, members: dict[str, bytes]) -> Imported:
    with zipfile.ZipFile(place / "upload.zip", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    (place / "data").mkdir()
    question = ReadUpload(
        str(place / "upload.zip"), str(place / "images"), str(place / "data" / "dataset.json"), "things"
    )
    return reader.ask(question)


def most_memory_bytes(process: ChildProcess) -> int:
    """The most that a child ever held."""
    child = process._child
    assert child is not None
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{child.pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def test_every_hazard_is_read_or_left_out_by_name_and_the_reader_lives(
    reader: Reader, shared_data: Path, tmp_path: Path
) -> None:
    hazards = [path for path in sorted((shared_data / "hazards").iterdir()) if path.name != "manifest.json"]
    good = {f"{name}/{number}.png": image(number) for name in ("mug", "pen") for number in range(5)}

    done = hand_in(reader, tmp_path, good | {f"mug/{path.name}": path.read_bytes() for path in hazards})

    seen = {one.file for one in done.manifest.images} | {one.file for one in done.manifest.left_out}
    assert seen == set(good) | {f"mug/{path.name}" for path in hazards}
    assert len(hazards) >= 80
    for left in done.manifest.left_out:
        assert re.search(r"\.$", left.reason), left
        assert "stopped the program" not in left.reason, left
        assert left.file.rsplit("/", 1)[-1][:20] in left.reason, left
    assert most_memory_bytes(reader._uploads) < MEMORY_BYTES


def test_each_hazard_alone_is_read_or_refused_by_one_and_the_same_child(
    reader: Reader, shared_data: Path, tmp_path: Path
) -> None:
    hazards = [path for path in sorted((shared_data / "hazards").iterdir()) if path.name != "manifest.json"]
    reader.read_frame(b64encode(image(1)).decode())  # the child is there
    child = reader._tries._child
    assert child is not None
    refused = 0
    for path in hazards:
        try:
            reader.read_one(path, tmp_path)
        except UnreadableImage:
            refused += 1

    assert len(hazards) == 81
    assert refused > 30
    assert reader._tries._child is child  # the same one, from the first to the last
    assert most_memory_bytes(reader._tries) < MEMORY_BYTES


@pytest.mark.parametrize(
    "text", ["", "=", "a", "\x00", "\ud800", "\u00e9", "AAAA", "data:image/png;base64,AAAA", "A" * 9]
)
def test_a_frame_that_is_none_earns_a_sentence(reader: Reader, text: str) -> None:
    with pytest.raises(HeadswapError):
        reader.read_frame(text)


def test_forty_names_stay_inside_and_stay_text(reader: Reader, tmp_path: Path) -> None:
    members = {f"{name}/{number}.png": image(number) for number, name in enumerate(NAMES)}

    done = hand_in(reader, tmp_path, members)

    assert len(NAMES) == 40
    assert set(done.manifest.classes) <= {class_name(name) for name in NAMES}
    assert "école" in done.manifest.classes
    assert not any(re.search("[\x00-\x1f\u202a-\u202e\u2066-\u2069]", name) for name in done.manifest.classes)
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(re.fullmatch(r"[0-9a-f]{64}\.png|dataset\.json|upload\.zip", path.name) for path in kept), [
        path.name for path in kept
    ]
    assert {path.parent.name for path in kept} <= {"images", "data", tmp_path.name}


def test_where_an_image_was_taken_is_kept_nowhere(reader: Reader, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x9286], exif[0x013B] = 6, "COMMENT-OF-ADA", "ARTIST-ADA"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.25), 3: "E", 4: (13.0, 24.0, 17.5)})
    members = {}
    for number in range(8):
        file = BytesIO()
        Image.effect_noise((900 + number, 700), 60).convert("RGB").save(
            file, ("JPEG", "PNG", "WEBP", "TIFF")[number % 4], exif=exif
        )
        assert b"ARTIST-ADA" in file.getvalue()
        members[f"{'ab'[number % 2]}/{number}.{('jpg', 'png', 'webp', 'tif')[number % 4]}"] = file.getvalue()

    done = hand_in(reader, tmp_path, members)

    assert len(done.manifest.images) == 8
    for path in (tmp_path / "images").iterdir():
        data = path.read_bytes()
        assert not any(word in data for word in (b"Exif\x00\x00", b"ARTIST-ADA", b"COMMENT-OF-ADA"))
        with Image.open(path) as image:
            assert not image.getexif()
            assert image.height > image.width  # it was turned
