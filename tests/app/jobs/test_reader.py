"""Pictures that take their reader down: by memory, by a crash, by never ending. All in real children."""

from __future__ import annotations

import zipfile
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import psutil
import pytest
from PIL import Image

from headswap.app.processes.importing import Imported, ReaderLimits, ReadUpload
from headswap.app.processes.reader import Reader
from headswap.data.decode import ImageLimits
from headswap.errors import TooMuch, UnreadableImage
from tests.data.films import disc

# A reader whose decoder does what a picture's name says: the way a hole in a C library shows itself.
EVIL = """
import os, signal, time
from headswap.data import decode
from headswap.data import ingest as intake
from headswap.app.processes import importing

open_image = decode.open_image

def evil(data, *, name, wanted_px=None, limits=None):
    if "crash" in name:
        signal.raise_signal(signal.SIGSEGV)  # of this very thread, as a decoder's own: it never goes on
    if "hang" in name:
        time.sleep(600)
    if "swallow" in name:
        bytearray(3_000_000_000)
    if "print" in name:
        os.write(2, b"noise of a library\\n" * 1000)
    return open_image(data, name=name, wanted_px=wanted_px, limits=limits)

decode.open_image = evil
answer, allowed_paths = importing.answer, importing.allowed_paths
"""

Open = Callable[..., Reader]


@pytest.fixture(scope="module", autouse=True)
def evil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    code = tmp_path_factory.mktemp("code")
    (code / "evil_reader.py").write_text(EVIL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(code))
        patch.setattr("headswap.app.processes.reader._ANSWER", "evil_reader:answer")
        yield


def new_reader(place: Path, **limits: object) -> Reader:
    chosen = ReaderLimits(**{"memory_bytes": 800_000_000, "patience_s": 600.0, **limits})  # type: ignore[arg-type]
    return Reader(place / "logs", chosen, scratch=place / "scratch", upload_timeout_s=3600.0)


@pytest.fixture
def open_reader(tmp_path: Path) -> Iterator[Open]:
    """Opens readers with limits of their own."""
    opened: list[Reader] = []

    def open_one(**limits: object) -> Reader:
        opened.append(new_reader(tmp_path, **limits))
        return opened[-1]

    yield open_one
    for reader in opened:
        reader.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logs and scratch of `reader`."""
    return tmp_path_factory.mktemp("reader")


@pytest.fixture(scope="module")
def reader(place: Path) -> Iterator[Reader]:
    """One for all who want no limits of their own: the child that is ready for the next upload gets one."""
    opened = new_reader(place)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def narrow_reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """One that takes pictures of ten megapixels at most."""
    opened = new_reader(tmp_path_factory.mktemp("narrow"), image=ImageLimits(megapixels=10))
    yield opened
    opened.close()


def upload(tmp_path: Path, *names: str) -> ReadUpload:
    """A zip of good pictures in two classes, and of good pictures with these names in the first."""
    path = tmp_path / "upload.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(
            [*(f"a/{n}.png" for n in range(6)), *(f"b/{n}.png" for n in range(6)), *names]
        ):
            file = BytesIO()
            Image.new("RGB", (40, 30), (20 * number, 100, 255 - 20 * number)).save(file, "PNG")
            archive.writestr(name, file.getvalue())
    (tmp_path / "data").mkdir(exist_ok=True)
    return ReadUpload(str(path), str(tmp_path / "images"), str(tmp_path / "data" / "dataset.json"), "things")


def ask(reader: Reader, question: ReadUpload) -> Imported:
    return reader.ask(question)


def test_images_that_end_their_reader_are_left_out_by_name_and_the_rest_goes_on(
    open_reader: Open, tmp_path: Path
) -> None:
    done = ask(open_reader(patience_s=6.0), upload(tmp_path, "a/crash.png", "a/hang.png"))

    assert {left.file: left.reason for left in done.manifest.left_out} == {
        "a/crash.png": "crash.png stopped the program that reads pictures.",
        "a/hang.png": "hang.png stopped the program that reads pictures.",
    }
    assert done.came == 12
    assert not (tmp_path / "data" / "reading.txt").exists()


def test_an_image_that_swallows_memory_is_left_out_and_the_reader_lives(
    reader: Reader, tmp_path: Path
) -> None:
    done = ask(reader, upload(tmp_path, "a/swallow.png"))

    assert [left.reason for left in done.manifest.left_out] == [
        "swallow.png needs more memory than there is."
    ]
    assert done.came == 12


def test_a_film_is_read_by_the_confined_reader_and_one_that_ends_it_is_named(
    reader: Reader, tmp_path: Path
) -> None:
    question = upload(tmp_path, "a/crash.png")
    with zipfile.ZipFile(question.source, "a") as archive:
        archive.writestr("b/turning.mp4", disc(seconds=2.0))

    done = ask(reader, question)

    assert [left.file for left in done.manifest.left_out] == ["a/crash.png"]
    assert sum(1 for image in done.manifest.images if image.file.startswith("b/turning.mp4 ")) == 4
    assert done.came == 16


def test_more_deaths_than_a_mistake_explains_refuse_the_upload(reader: Reader, tmp_path: Path) -> None:
    names = [f"a/crash {number}.png" for number in range(8)]

    with pytest.raises(Exception, match=r"Too many of these pictures stop the program.*Leave them out"):
        ask(reader, upload(tmp_path, *names))


def test_what_libraries_print_fills_no_log(reader: Reader, place: Path, tmp_path: Path) -> None:
    ask(reader, upload(tmp_path, "a/print.png"))

    assert "noise" not in (place / "logs" / "importing.jsonl").read_text()


def test_limits_are_held_by_the_reader_whatever_the_question_says(open_reader: Open, tmp_path: Path) -> None:
    question = upload(tmp_path)

    with pytest.raises(TooMuch, match=r"upload holds 12 pictures; 5 are allowed here\. Choose fewer"):
        ask(open_reader(most_images=5), question)


def test_adding_to_what_is_there_counts_both(open_reader: Open, tmp_path: Path) -> None:
    reader = open_reader(most_images=14)
    question = upload(tmp_path)
    first = ask(reader, question)
    more = upload(tmp_path, "c/1.png", "c/2.png", "c/3.png")
    after = ReadUpload(more.source, more.store, str(tmp_path / "data" / "next.json"), "", question.dataset)

    with pytest.raises(TooMuch, match=r"15 pictures"):
        ask(reader, after)
    assert first.added == 12


def test_one_image_becomes_a_clean_copy(reader: Reader, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "at home, 52.5 N"
    Image.new("RGB", (2000, 1000), "red").save(tmp_path / "turned.jpg", exif=exif)
    (tmp_path / "tries").mkdir()

    copy = reader.read_one(tmp_path / "turned.jpg", tmp_path / "tries")

    assert copy.parent == tmp_path / "tries"
    assert b"at home" not in copy.read_bytes()
    with Image.open(copy) as image:
        assert image.size == (1000, 2000)
        assert not image.getexif()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("crash.png", r"crash\.png stopped the program that reads pictures\. Save it again"),
        ("swallow.png", r"needs more memory than a picture may take"),
        ("large.png", r"large\.png is 4000 x 3000 pixels; the limit is 10 megapixels"),
    ],
)
def test_one_image_that_cannot_be_read_costs_a_sentence(
    narrow_reader: Reader, tmp_path: Path, name: str, said: str
) -> None:
    Image.new("1", (4000, 3000) if name == "large.png" else (30, 40)).save(tmp_path / name)
    Image.new("RGB", (30, 40)).save(tmp_path / "fine.png")
    (tmp_path / "tries").mkdir()

    with pytest.raises(UnreadableImage, match=said):
        narrow_reader.read_one(tmp_path / name, tmp_path / "tries")

    assert narrow_reader.read_one(tmp_path / "fine.png", tmp_path / "tries").is_file()


def test_a_frame_of_a_camera_comes_back_clean_and_nothing_is_written(
    reader: Reader, place: Path, tmp_path: Path
) -> None:
    file = BytesIO()
    Image.new("RGB", (224, 224), "blue").save(file, "JPEG")

    clean = reader.read_frame(b64encode(file.getvalue()).decode())

    assert Image.open(BytesIO(b64decode(clean))).size == (224, 224)
    written = [*tmp_path.rglob("*"), *place.rglob("*")]
    assert sorted(path.name for path in written if path.suffix in (".png", ".jpg")) == []


def test_a_reader_holds_no_torch_and_stays_below_its_limit(reader: Reader, tmp_path: Path) -> None:
    ask(reader, upload(tmp_path))
    child = reader._uploads._child
    assert child is not None

    process = psutil.Process(child.pid)

    assert process.memory_info().rss < 150_000_000
    assert not any("libtorch" in one.path for one in process.memory_maps())
