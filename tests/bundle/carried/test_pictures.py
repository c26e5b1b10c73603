"""The program in the zip sees every picture as headswap does, to the byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headswap.data.decode import read_image
from headswap.data.transforms import prepare, to_float, wanted_px
from headswap.errors import UnreadableImage
from headswap.exports.edge_cases import draw_edge_cases
from headswap.exports.templates import pictures
from headswap.network import InputSpec
from headswap.storage.files import to_plain
from tests.crafted import grey_jpeg, netpbm

SPECS = {
    "as usual": InputSpec(),
    "large": InputSpec(height=480, width=480, resize_px=480, interpolation="bilinear"),
    "squashed, blue first": InputSpec(
        crop_mode="squash", squash_px=(288, 288), channel_order="BGR", mean=(0.1, 0.2, 0.3)
    ),
    "with a border": InputSpec(
        crop_mode="border", height=96, width=160, channel_order="BGR", mean=(0.1, 0.5, 0.9)
    ),
    "not square": InputSpec(height=128, width=192, resize_px=150, interpolation="lanczos"),
    "grey": InputSpec(channels=1, height=64, width=64, resize_px=64, mean=(0.5,), std=(0.25,)),
    "cut larger than the resize": InputSpec(height=224, width=224, resize_px=200),
}  # fmt: skip


def carried(path: Path, spec: InputSpec) -> np.ndarray:
    record = to_plain(spec) | {"wanted_px": wanted_px(spec)}
    return pictures.to_numbers(pictures.prepare(pictures.read(path, record), record), record)


def own(path: Path, spec: InputSpec) -> np.ndarray:
    image = read_image(path.read_bytes(), name=path.name, wanted_px=wanted_px(spec))
    return to_float(prepare(image, spec)[None], spec)


def said_by_headswap(path: Path) -> str:
    with pytest.raises(UnreadableImage) as refused:
        own(path, InputSpec())
    return str(refused.value)


def told(path: Path) -> str:
    with pytest.raises(pictures.Problem) as refused:
        carried(path, InputSpec())
    return str(refused.value).replace(" (MOST_MEGAPIXELS in pictures.py)", "")


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """Odd sizes, every EXIF turn, palettes, alpha, deep grey, many formats."""
    folder = tmp_path_factory.mktemp("strange")
    drawn = list(draw_edge_cases(folder))
    scene = Image.open(folder / "rotated.jpg").convert("RGB")
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = turn
        scene.resize((301, 203)).save(folder / f"turn-{turn}.jpg", exif=exif)
        drawn.append(folder / f"turn-{turn}.jpg")
    small = scene.resize((33, 7))
    for ending in ("png", "webp", "bmp", "gif", "tiff", "avif", "jpg"):
        small.save(folder / f"small.{ending}")
        drawn.append(folder / f"small.{ending}")
    small.convert("LAB").save(folder / "lab.tiff")
    small.convert("1").save(folder / "ink.png")
    small.convert("LA").save(folder / "grey-alpha.png")
    small.convert("F").save(folder / "decimal.tiff")
    small.convert("I").save(folder / "whole.tiff")
    scene.resize((2300, 1200)).convert("LA").save(folder / "wide-alpha.png", compress_level=1)
    numbers = np.asarray(small).astype(int)
    for kind, values in ((1, numbers[:, :, 0] % 2), (2, numbers[:, :, 0]), (3, numbers), (6, numbers)):
        for white in (255, 1000):
            (folder / f"netpbm-{kind}-{white}.ppm").write_bytes(netpbm(kind, values, white))
            drawn.append(folder / f"netpbm-{kind}-{white}.ppm")
    (folder / "large.jpg").write_bytes(grey_jpeg(3000, 2000, progressive=True))
    drawn += [folder / "wide-alpha.png", folder / "large.jpg"]
    return (
        *drawn,
        *(folder / name for name in ("lab.tiff", "ink.png", "grey-alpha.png", "decimal.tiff", "whole.tiff")),
    )


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_every_kind_of_picture_becomes_the_same_numbers(strange: tuple[Path, ...], spec: InputSpec) -> None:
    for path in strange:
        assert np.array_equal(carried(path, spec), own(path, spec)), path.name


def test_a_folder_holds_its_pictures_and_not_what_macos_leaves_beside_them(tmp_path: Path) -> None:
    (tmp_path / "__MACOSX").mkdir()
    for name in ("bird.jpg", "._bird.jpg", ".DS_Store", "__MACOSX/other.jpg"):
        (tmp_path / name).touch()

    assert [path.name for path in pictures.found([str(tmp_path)])] == ["bird.jpg"]


def test_a_picture_of_a_phone_is_read_where_its_reader_is_installed(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    odd = Image.open(draw_edge_cases(tmp_path)[0]).convert("RGB")
    pillow_heif.from_pillow(odd.resize((400, 300))).save(tmp_path / "phone.heic")

    assert np.array_equal(
        carried(tmp_path / "phone.heic", InputSpec()), own(tmp_path / "phone.heic", InputSpec())
    )


def test_what_headswap_refuses_the_program_refuses_too(shared_data: Path) -> None:
    refused = 0
    for path in sorted(path for path in (shared_data / "hazards").rglob("*") if path.is_file()):
        try:
            expected = own(path, InputSpec())
        except UnreadableImage:
            refused += 1
            assert told(path) == said_by_headswap(path), path.name
        else:
            assert np.array_equal(carried(path, InputSpec()), expected), path.name

    assert refused


@pytest.mark.parametrize(
    ("data", "sentence"),
    [(b"hello", "is not a picture"), (b"\x89PNG\r\n\x1a\nxx", "is damaged: it begins like a PNG picture")],
)
def test_a_file_that_is_no_picture_is_one_sentence(tmp_path: Path, data: bytes, sentence: str) -> None:
    (tmp_path / "x.png").write_bytes(data)

    with pytest.raises(pictures.Problem, match=sentence):
        carried(tmp_path / "x.png", InputSpec())


def test_a_picture_that_would_fill_the_memory_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    Image.new("1", (20000, 20000)).save(tmp_path / "wide.png")

    with pytest.raises(pictures.Problem, match=r"20000 x 20000 pixels; the limit is 200 megapixels \(MOST_"):
        carried(tmp_path / "wide.png", InputSpec())


def test_a_missing_file_and_an_empty_folder_say_so(tmp_path: Path) -> None:
    with pytest.raises(pictures.Problem, match=r"nothing\.png cannot be read: No such file"):
        carried(tmp_path / "nothing.png", InputSpec())
    with pytest.raises(pictures.Problem, match="There is no picture in"):
        list(pictures.found([str(tmp_path)]))


def test_an_empty_file_is_refused_in_the_same_words(tmp_path: Path) -> None:
    (tmp_path / "shot.jpg").write_bytes(b"")

    assert told(tmp_path / "shot.jpg") == said_by_headswap(tmp_path / "shot.jpg")


def test_a_photo_of_a_phone_says_which_library_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pictures.READERS, "HEIC", ("no_such_library", "HeifImageFile"))
    (tmp_path / "phone.heic").write_bytes(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic")

    assert told(tmp_path / "phone.heic") == "phone.heic is a HEIC picture. Install pillow-heif to read it."
