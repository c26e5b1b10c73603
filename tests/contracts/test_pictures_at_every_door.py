"""One rule for images: every way in reads the same files, refuses the same ones, and says the same words."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import sys
import zipfile
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headswap.app.processes.importing import Imported, ReadUpload
from headswap.app.processes.reader import Reader
from headswap.app.service.limits import PROFILES, limits_for
from headswap.app.service.settings import Settings
from headswap.bundle.evaluate import evaluate_bundle
from headswap.bundle.predictor import Bundle, load_bundle
from headswap.data.ingest import ingest
from headswap.data.manifest import SkippedFile
from headswap.data.transforms import wanted_px
from headswap.errors import HeadswapError
from headswap.exports.package import lay_out
from headswap.storage.files import from_json
from tests.crafted import grey_jpeg, netpbm

Files = dict[str, Path]
Said = dict[str, str]  # a file's name -> why it was refused; those that are read may be missing
Door = Callable[[Files, Path], Said]  # gets the files and an empty folder


def scene(width: int = 90, height: int = 60) -> Image.Image:
    small = np.random.default_rng(5).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def as_heic(image: Image.Image) -> bytes:
    import pillow_heif

    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file, quality=90)
    return file.getvalue()


def as_file(image: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def png_that_says(width: int, height: int) -> bytes:
    """The header of a huge PNG, and next to nothing behind it."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)), (b"IDAT", zlib.compress(b""))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )


READ = {
    "sign.ppm": netpbm(6, np.asarray(scene()).astype(int)),
    "text.pgm": netpbm(2, np.asarray(scene().convert("L")).astype(int)),
    "deep.pgm": netpbm(5, np.asarray(scene().convert("L")).astype(int) * 16, 4095),
    "stamp.pbm": netpbm(4, (np.asarray(scene().convert("L")) < 128).astype(int)),
    "phone.heic": as_heic(scene()),
    "small.avif": as_file(scene(), "AVIF"),
    "48 megapixels.jpg": grey_jpeg(8000, 6000),
    "200 megapixels.jpg": grey_jpeg(16384, 12200),
    "progressive.jpg": grey_jpeg(3000, 2000, progressive=True),
}
REFUSED = {
    "201 megapixels.jpg": (
        grey_jpeg(16384, 12300),
        "201 megapixels.jpg is 16384 x 12300 pixels; the limit is 200 megapixels.",
    ),
    "bomb.png": (
        png_that_says(20000, 20000),
        "bomb.png is 20000 x 20000 pixels; the limit is 200 megapixels.",
    ),
    "cut.ppm": (netpbm(6, np.asarray(scene()).astype(int))[:-9], "cut.ppm is cut short."),
    "hdr.pfm": (b"PF\n2 2\n-1.0\n" + bytes(48), "hdr.pfm is a PFM picture, which is not read here."),
    "note.ppm": (b"P3 is the third point", "note.ppm is not a picture."),
    "odd.jpg": (b"\xff\xd8\xff\xe0 no picture", "odd.jpg is cut short."),
    "odd.png": (
        b"\x89PNG\r\n\x1a\n" + b"\x01\x02\x03\x04" * 9,
        "odd.png is damaged: it begins like a PNG picture but cannot be decoded.",
    ),
}
SETTINGS = (" (--megapixels)", " (--reader-mb)", " (MOST_MEGAPIXELS in pictures.py)")


def plain(sentence: str) -> str:
    """Without the name of the setting, which every door has its own of, and without the remedy."""
    for setting in SETTINGS:
        sentence = sentence.replace(setting, "")
    return sentence


def told(manifest_left_out: tuple[SkippedFile, ...]) -> Said:
    return {left.file.rsplit("/", 1)[-1]: left.reason for left in manifest_left_out}


def refusal_of(reads: Callable[[], object]) -> str:
    try:
        reads()
    except HeadswapError as refusal:
        return refusal.problem
    return ""


def class_folder(files: Files, place: Path) -> Path:
    (place / "in" / "bird").mkdir(parents=True)
    for name, path in files.items():
        shutil.copy(path, place / "in" / "bird" / name)
    return place / "in"


def zip_of(files: Files, place: Path) -> Path:
    with zipfile.ZipFile(place / "in.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in files.items():
            archive.write(path, f"bird/{name}")
    return place / "in.zip"


@pytest.fixture(scope="module")
def loaded(bundle: Path) -> Bundle:
    return load_bundle(bundle)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """The reader of a class's server: no other one has less memory."""
    place = tmp_path_factory.mktemp("reader")
    settings = Settings(  # but more patience: a busy machine takes long over 200 megapixels
        workspace=place, sample=place, limits=limits_for("class"), image_timeout_s=600.0
    )
    opened = Reader(place, settings.for_reader(), scratch=place / "scratch", upload_timeout_s=3600.0)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def programs(bundle: Path, loaded: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a zip to take home, before it is packed."""
    folder = tmp_path_factory.mktemp("zip") / "programs"
    lay_out(bundle, loaded, folder, None)
    return folder


def own_doors(loaded: Bundle) -> dict[str, Door]:
    """Python and shell: teach and evaluate read with `ingest`, predict with the bundle."""

    def folder(files: Files, place: Path) -> Said:
        return told(ingest(class_folder(files, place), min_classes=1).manifest.left_out)

    def in_zip(files: Files, place: Path) -> Said:
        taken = ingest(zip_of(files, place), store=place / "store", min_classes=1)
        return told(taken.manifest.left_out)

    def predict(files: Files, place: Path) -> Said:
        return {name: refusal_of(partial(loaded.prepare, path)) for name, path in files.items()}

    def evaluate(files: Files, place: Path) -> Said:
        return told(evaluate_bundle(loaded, zip_of(files, place), workspace=place).left_out)

    return {"folder": folder, "zip": in_zip, "predict": predict, "evaluate": evaluate}


def server_doors(reader: Reader, wanted: int) -> dict[str, Door]:
    """Page and API: an upload, pictures added to others, one to try, a frame of a camera."""

    def ask(source: Path, place: Path, name: str, before: str = "") -> Imported:
        (place / name).mkdir()
        dataset = str(place / name / "dataset.json")
        question = ReadUpload(str(source), str(place / "images"), dataset, "things", before)
        return reader.ask(question)

    def upload(files: Files, place: Path) -> Said:
        return told(ask(zip_of(files, place), place, "data").manifest.left_out)

    def added(files: Files, place: Path) -> Said:
        with zipfile.ZipFile(place / "first.zip", "w") as archive:
            archive.writestr("bird/first.png", as_file(scene(50, 40), "PNG"))
        ask(place / "first.zip", place, "first")
        before = str(place / "first" / "dataset.json")
        return told(ask(zip_of(files, place), place, "next", before).manifest.left_out)

    def attempt(files: Files, place: Path) -> Said:
        def read(path: Path) -> object:
            return reader.read_one(path, place, wanted_px=wanted)

        return {name: refusal_of(partial(read, path)) for name, path in files.items()}

    def frame(files: Files, place: Path) -> Said:
        def read(path: Path) -> object:
            return reader.read_frame(b64encode(path.read_bytes()).decode(), wanted_px=wanted)

        said = {name: refusal_of(partial(read, path)) for name, path in files.items()}
        return {name: words.replace("The camera's picture", name) for name, words in said.items()}

    return {"upload": upload, "added": added, "try": attempt, "frame": frame}


def through(doors: dict[str, Door], place: Path) -> dict[str, Said]:
    """What every door says of every file."""
    files = {}
    for name, data in FILES.items():
        files[name] = place / name
        files[name].write_bytes(data)
    said = {}
    for server_address, enter in doors.items():
        (place / server_address).mkdir()
        heard = enter(files, place / server_address)
        said[server_address] = {name: plain(heard.get(name, "")) for name in files}
    return said


FILES = READ | {name: data for name, (data, _) in REFUSED.items()}
EXPECTED: Said = dict.fromkeys(READ, "") | {name: words for name, (_, words) in REFUSED.items()}


def test_shell_and_python_take_the_same_and_say_the_same(loaded: Bundle, tmp_path: Path) -> None:
    doors = own_doors(loaded)

    assert through(doors, tmp_path) == dict.fromkeys(doors, EXPECTED)


def test_page_and_api_take_the_same_and_say_the_same(reader: Reader, loaded: Bundle, tmp_path: Path) -> None:
    doors = server_doors(reader, wanted_px(loaded.card.input))

    assert through(doors, tmp_path) == dict.fromkeys(doors, EXPECTED)


def test_the_program_of_the_zip_takes_the_same_and_says_the_same(programs: Path, tmp_path: Path) -> None:
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    code = (
        "import json, sys; from pathlib import Path; import pictures\n"
        "spec, said = pictures.load(Path('.'), 'preprocessing.json'), {}\n"
        "for path in map(Path, sys.argv[1:]):\n"
        "    try: pictures.read(path, spec); said[path.name] = ''\n"
        "    except pictures.Problem as problem: said[path.name] = str(problem)\n"
        "assert not any(name.startswith('headswap') for name in sys.modules)\n"
        "sys.stdout.write(json.dumps(said))"
    )

    run = subprocess.run(
        [sys.executable, "-c", code, *(str(tmp_path / name) for name in FILES)],
        cwd=programs, capture_output=True, text=True, check=True,
    )  # fmt: skip

    said = from_json(dict[str, str], run.stdout)
    assert {name: words for name, words in said.items() if name in READ} == dict.fromkeys(READ, "")
    for name, (_, words) in REFUSED.items():
        assert plain(said[name]).startswith(words), name


def test_a_server_reads_200_megapixels_in_several_scans_within_its_memory(
    reader: Reader, tmp_path: Path
) -> None:
    (tmp_path / "whole.jpg").write_bytes(grey_jpeg(16384, 12200, progressive=True))

    copy = reader.read_one(tmp_path / "whole.jpg", tmp_path, wanted_px=224)

    with Image.open(copy) as image:
        assert image.size == (2048, 1525)


def test_no_server_has_less_memory_for_images_than_one_for_a_class() -> None:
    assert min(limits_for(profile).reader_mb for profile in PROFILES) == limits_for("class").reader_mb


def test_a_reduced_image_is_the_same_to_the_page_and_to_python(
    reader: Reader, loaded: Bundle, tmp_path: Path
) -> None:
    scene(3000, 2000).save(tmp_path / "large.jpg", quality=92)

    copy = reader.read_one(tmp_path / "large.jpg", tmp_path, wanted_px=wanted_px(loaded.card.input))

    assert np.array_equal(loaded.prepare(copy), loaded.prepare(tmp_path / "large.jpg"))


def test_the_setting_that_lets_more_in_is_named_where_there_is_one(reader: Reader, tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(REFUSED["bomb.png"][0])

    with pytest.raises(HeadswapError, match=r"limit is 200 megapixels \(--megapixels\)\. Make it"):
        reader.read_one(tmp_path / "bomb.png", tmp_path)
